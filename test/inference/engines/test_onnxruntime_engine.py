"""The engine of ONNX Runtime: what it checks when it loads, and what it does without."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from drnet_ros.errors import EngineError
from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.inference.engines.model_cache import cache_folder, cached_model, model_key
from drnet_ros.inference.engines.onnx_convert import CONVERSION, REFERENCE_FILE, main
from drnet_ros.network.metadata import read_metadata

pytestmark = pytest.mark.slow

MODEL_FILE = CONVERSION.model_file


@pytest.fixture
def exported(weights: str) -> Path:
    """The exported model, made once for all tests that share a cache."""
    path = Path(weights)
    return cached_model(path, read_metadata(path), CONVERSION, cache_folder()).parent


@pytest.fixture
def cache(weights: str, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the model in a cache of its own, for tests that spoil it."""
    home = tmp_path / model_key(Path(weights), read_metadata(Path(weights)), CONVERSION)
    shutil.copytree(exported, home)
    monkeypatch.setenv('DRNET_CACHE_DIR', str(tmp_path))
    return home


def _settings(weights: str, **values: object) -> Settings:
    return Settings.from_mapping({'weights': weights, 'engine': 'onnxruntime', **values})


def _export_again(exported: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Let an export take the files of one that was made before; returns where it went."""
    made: list[Path] = []

    def convert(_: Path, __: object, folder: Path) -> None:
        made.append(folder)
        shutil.copytree(exported, folder, dirs_exist_ok=True)

    monkeypatch.setattr('drnet_ros.inference.engines.model_cache.run_conversion', convert)
    return made


@pytest.mark.parametrize('name', [MODEL_FILE, REFERENCE_FILE])
def test_a_damaged_file_is_exported_again(
    weights: str, exported: Path, cache: Path, monkeypatch: pytest.MonkeyPatch,
    image: NDArray[np.uint8], name: str,
) -> None:  # fmt: skip
    made = _export_again(exported, monkeypatch)
    whole = (cache / name).read_bytes()
    (cache / name).write_bytes(whole[: len(whole) // 2])
    with DepthEstimator(_settings(weights)) as estimator:
        assert estimator.estimate(image).depth_hw.shape == image.shape[:2]
    assert len(made) == 1
    assert (cache / name).read_bytes() == whole


@pytest.mark.parametrize('scale', [1.05, np.nan])
def test_depth_that_is_not_that_of_pytorch_is_refused(
    weights: str, cache: Path, monkeypatch: pytest.MonkeyPatch, scale: float
) -> None:
    made = _export_again(cache, monkeypatch)
    run = onnxruntime.InferenceSession.run

    def run_scaled(*arguments: Any) -> list[NDArray[np.float32]]:
        return [scale * output for output in run(*arguments)]

    with monkeypatch.context() as patch:
        patch.setattr(onnxruntime.InferenceSession, 'run', run_scaled)
        with pytest.raises(EngineError) as refusal:
            DepthEstimator(_settings(weights))
    assert 'must give the depth that PyTorch gives, got' in str(refusal.value)
    assert '\n' not in str(refusal.value)
    assert not made
    DepthEstimator(_settings(weights)).close()  # the file was kept


def test_a_failed_run_is_one_clear_error_and_the_next_frame_is_computed(
    weights: str, exported: Path, monkeypatch: pytest.MonkeyPatch, image: NDArray[np.uint8]
) -> None:
    assert exported.is_dir()

    def fail(*_: object) -> None:
        msg = 'bfc_arena.cc:376\nFailed to allocate memory'
        raise RuntimeError(msg)

    with DepthEstimator(_settings(weights)) as estimator:
        truth = estimator.estimate(image).depth_hw
        with monkeypatch.context() as patch:
            patch.setattr(onnxruntime.InferenceSession, 'run', fail)
            with pytest.raises(EngineError, match=r'^ONNX Runtime failed: .*376 Failed to alloc'):
                estimator.estimate(image)
        np.testing.assert_array_equal(estimator.estimate(image).depth_hw, truth)


@pytest.mark.parametrize('threads', [1, 2])
def test_threads_are_those_asked_for(weights: str, exported: Path, threads: int) -> None:
    assert exported.is_dir()
    with DepthEstimator(_settings(weights, threads=threads)) as estimator:
        engine: Any = estimator._engine
        assert engine._session.get_session_options().intra_op_num_threads == threads


def test_a_start_with_an_exported_model_imports_neither_torch_nor_openvino(
    weights: str, exported: Path
) -> None:
    script = f"""
import sys
import numpy as np
from drnet_ros.inference import DepthEstimator, Settings
with DepthEstimator(Settings(weights={weights!r}, engine='onnxruntime')) as estimator:
    depth = estimator.estimate(np.zeros((96, 128, 3), np.uint8)).depth_hw
assert depth.shape == (96, 128)
assert not {{'torch', 'openvino', 'onnx'}} & {{name for name, m in sys.modules.items() if m}}
"""
    subprocess.run(
        [sys.executable, '-c', script], check=True, timeout=120,
        cwd=Path(__file__).resolve().parents[3],
        env={'DRNET_CACHE_DIR': str(exported.parent), 'PATH': '/usr/bin:/bin'},
    )  # fmt: skip


def test_a_missing_library_is_one_line_that_names_it(
    weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, 'onnxscript', None)
    assert main([weights, str(tmp_path)]) == 1
    line = capsys.readouterr().err
    assert line.count('\n') == 1
    assert line.startswith('onnxscript must be installed to export random.safetensors to ONNX')
    assert 'pip install onnxscript, or start once where it is installed' in line
