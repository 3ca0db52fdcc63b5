"""Fixtures for tests on a live ROS graph."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import rclpy
from known_depth import KnownEngine
from node_graph import Graph, NodeFactory, ProgramFactory, Spinning
from rclpy.parameter import Parameter
from shared_memory import end_program

from drnet_ros.errors import WeightsError
from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.node import intrinsics, statistics
from drnet_ros.node.depth_node import DepthNode
from drnet_ros.node.environment import use_large_message_profile
from drnet_ros.weights import EMBEDDED, resolve_weights

GRACE_S = 20.0
# Longer than any test waits for anything.
EVER_S = 600.0


@pytest.fixture(scope='session', autouse=True)
def ros() -> Iterator[None]:
    use_large_message_profile()
    rclpy.init()
    yield
    rclpy.try_shutdown()


def make_graph() -> Iterator[Graph]:
    node = rclpy.create_node('test_client')
    with Spinning(node):
        yield Graph(node)
    node.destroy_node()


graph = pytest.fixture(make_graph, name='graph')
module_graph = pytest.fixture(make_graph, name='module_graph', scope='module')


@pytest.fixture
def engine() -> Iterator[KnownEngine]:
    engine = KnownEngine()
    yield engine
    engine.may_finish.set()


@pytest.fixture
def start_node(engine: KnownEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[NodeFactory]:
    """Start nodes in this process; keyword arguments are parameters.

    `create` makes the estimator; without it, one with the known engine is made.

    However busy the machine, an image waits for the CameraInfo sent with it, and diagnostics tell
    of all that the test did.
    """
    monkeypatch.setattr(intrinsics, '_COMPANION_WAIT_S', EVER_S)
    monkeypatch.setattr(statistics, 'WINDOW_S', EVER_S)
    with_known_engine = partial(DepthEstimator, engine=engine)
    with ExitStack() as stack:

        def start(
            create: Callable[[Settings], DepthEstimator] = with_known_engine,
            *,
            is_up: bool = True,
            arguments: tuple[str, ...] = (),
            **parameters: Any,
        ) -> DepthNode:
            node = DepthNode(
                create_estimator=create,
                cli_args=['--ros-args', *arguments] if arguments else None,
                parameter_overrides=[
                    Parameter(name, value=value) for name, value in parameters.items()
                ],
            )
            stack.callback(_shut_down, node, engine)
            assert not is_up or node.bring_up()
            stack.enter_context(Spinning(node))
            return node

        yield start
    # A node in a reference cycle would stay in the graph, where the next one has the same name.
    gc.collect()


def _shut_down(node: DepthNode, engine: KnownEngine) -> None:
    engine.may_finish.set()
    if node.state != 'finalized':
        node.trigger_shutdown()
    node.destroy_node()


def make_programs() -> Iterator[ProgramFactory]:
    """Start a module of drnet_ros as a process; it is ended with the test if it still runs."""
    with ExitStack() as stack:

        def start(
            module: str, *arguments: object, environment: dict[str, str] | None = None
        ) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, '-m', module, *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                env={
                    **os.environ,
                    'PYTHONPATH': str(Path(__file__).parents[2]),
                    **(environment or {}),
                },
            )
            stack.enter_context(process)
            # Killed at once, it could not say goodbye, and the next test would take it for alive.
            stack.callback(end_program, process, GRACE_S)
            return process

        yield start


start_program = pytest.fixture(make_programs, name='start_program')
start_module_program = pytest.fixture(make_programs, name='start_module_program', scope='module')


@pytest.fixture(scope='session')
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The embedded weights; before there are any, a file of a network that has learned nothing."""
    try:
        resolve_weights(EMBEDDED)
    except WeightsError:
        from random_weights import random_weights  # noqa: PLC0415 - imports PyTorch, seldom needed

        return str(random_weights(tmp_path_factory.mktemp('weights') / 'random.safetensors'))
    return EMBEDDED
