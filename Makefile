# make help lists what there is. Everything runs in a virtual environment with pinned packages, ROS 2 included.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell command -v python3)
PYTHON := $(PYTHON)
ROS ?= kilted
VENV := $(CURDIR)/$(if $(filter kilted,$(ROS)),.venv,.venv-$(ROS))
BIN := $(VENV)/bin
LOCKS := requirements/base.lock.txt requirements/ros-$(ROS).lock.txt
# By content, not by time: a fresh clone, a switched branch and a touched file all give the right answer.
STAMP := $(VENV)/.setup-$(shell cat $(LOCKS) setup.py offline/pyproject.toml 2>/dev/null | sha256sum | cut -c1-16)
PYTEST_ARGS ?=
JOBS ?= 2
BAG ?=
ifdef bag
$(error the recording of make demo is given as BAG=path, got bag=$(bag))
endif
DEMO_ARGS ?=
BENCH_ARGS ?=
MESSAGES ?= 10000
MINUTES ?= 20

ifeq ($(filter $(ROS),kilted jazzy),)
$(error ROS must be kilted or jazzy, got '$(ROS)')
endif

# The wheels bring their own ROS: one sourced in this shell would mix two of them in a process.
unexport PYTHONPATH
# They start python anew with the right library path, once; a mark of that from another environment would stop them.
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE
ifdef ROS_DISTRO
unexport LD_LIBRARY_PATH
endif
export AMENT_PREFIX_PATH := $(VENV)
export ROS_DISTRO := $(ROS)
export PATH := $(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# For a path with quotes: the shell expands it, not make.
export BAG

.PHONY: help setup demo test test-fast test-cv-bridge check-gpu performance fuzz soak check embedded format lock build clean distclean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:.*## /\t/' | expand -t 12
	@echo 'variables   PYTHON=python3.12  the interpreter that .venv is made with'
	@echo '            ROS=kilted|jazzy   the ROS 2; jazzy lives in .venv-jazzy'
	@echo '            BAG=path           the recording of make demo; DEMO_ARGS="--image-topic T --depth-topic T" its topics'
	@echo '            PYTEST_ARGS="-k x" what make test passes on'
	@echo '            JOBS=2             how many processes make test runs at once, each with one thread of PyTorch'

setup: $(STAMP)  ## make .venv with everything, from the pinned requirements (the second run takes seconds)

$(STAMP): $(LOCKS)
	@$(PYTHON) -c 'import sys; (3, 10) <= sys.version_info < (3, 14) or sys.exit(f"Python 3.10 to 3.13 is needed, {sys.executable} is {sys.version.split()[0]}: say make PYTHON=python3.12 setup")'
	@echo "== $(VENV): Python, ROS 2 $(ROS), PyTorch, OpenVINO (some minutes the first time)"
	@$(PYTHON) -m venv $(VENV)
	@touch $(VENV)/COLCON_IGNORE
	@$(BIN)/python -m pip install $(if $(CI),--quiet) --no-deps $(addprefix --requirement ,$(LOCKS)) \
	    | sed -uE '/^(Ignoring|Requirement already satisfied|Looking in)/d'
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable . --editable offline
	@rm -f $(VENV)/.setup-*
	@touch $@

demo: setup  ## run the node on the bundled clip and write demo_output/ (BAG=path for another recording)
	@$(BIN)/python offline/demo/run_demo.py $(if $(filter file,$(origin BAG)),,--bag "$$BAG") $(DEMO_ARGS)

test: setup  ## run all tests: first those of the ROS 2 package, then those of offline/ in another process
ifdef PYTEST_ARGS
	@$(BIN)/python -m pytest $(PYTEST_ARGS)
else
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile test
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile offline/test
endif

test-fast: setup  ## run all tests but those marked slow: live nodes, trainings, conversions, benchmarks, programs, recordings
	@$(BIN)/python -m pytest -m 'not slow' $(PYTEST_ARGS)

check-gpu: setup  ## on a machine with an NVIDIA GPU: its tests and all its figures in 8 minutes, gpu_output/gpu.md and gpu.json
	@$(BIN)/python offline/benchmarks/check_gpu.py $(BENCH_ARGS)

performance: setup  ## measure all of docs/performance.md and write its tables and pictures (BENCH_ARGS="--quick" for a first look)
	@$(BIN)/python offline/benchmarks/performance_page.py $(BENCH_ARGS)

# A folder before the others: cv_bridge of PyPI needs NumPy before 2.3 and OpenCV before 5.
CV_BRIDGE := build/cv_bridge
test-cv-bridge: setup  ## compare our image codec with the real cv_bridge, from PyPI
	@$(BIN)/python -m pip install -q --no-deps --upgrade --target $(CV_BRIDGE) cv-bridge==1.13.0.post0 opencv-python-headless==4.14.0.94 numpy==2.2.6
	@PYTHONPATH=$(CV_BRIDGE) $(BIN)/python -m pytest test/node/test_image_conversion.py $(PYTEST_ARGS)

fuzz: setup  ## send the live node 10,000 hostile messages (MESSAGES=n) and account for every one
	@$(BIN)/python tools/fuzz.py --messages $(MESSAGES)

soak: setup  ## run the node under full load and all kinds of trouble for MINUTES=20, write soak_output/
	@$(BIN)/python tools/soak/soak.py --minutes $(MINUTES)

check: setup  ## lint, format, types, generated files up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy drnet_ros test tools launch setup.py
	cd offline && MYPYPATH=.. $(BIN)/mypy --config-file ../pyproject.toml drnet_offline test demo clip benchmarks examples
	$(BIN)/python -m drnet_ros.inference.settings.docs --check
	$(BIN)/python -m drnet_ros.inference.engines.openvino_portable --check

embedded: setup  ## make the OpenVINO model beside the embedded weights anew, after those have changed
	@$(BIN)/python -m drnet_ros.inference.engines.openvino_portable

format: setup  ## let ruff format the code and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup  ## resolve requirements/*.in anew into the pinned *.lock.txt (Python 3.10 to 3.13, Linux)
	@for lock in base kilted jazzy; do \
	    case $$lock in \
	        base) out=base; sources='requirements/runtime.in requirements/offline.in requirements/dev.in' ;; \
	        *) out=ros-$$lock; sources="requirements/ros-$$lock.in --constraints requirements/base.lock.txt" ;; \
	    esac; \
	    echo "== requirements/$$out.lock.txt"; \
	    $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --no-annotate $(LOCK_ARGS) \
	        --custom-compile-command 'make lock' $$sources --output-file requirements/$$out.lock.txt; \
	done

build: setup  ## colcon build into build/ and install/, as in a ROS 2 workspace
	@$(BIN)/colcon --log-base build/log build --packages-select drnet_ros

clean:  ## remove what builds and runs leave behind, but not .venv
	rm -rf build dist install log demo_output soak_output gpu_output .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
	rm -rf *.egg-info offline/*.egg-info

distclean: clean  ## remove .venv and .venv-jazzy too
	rm -rf .venv .venv-jazzy
