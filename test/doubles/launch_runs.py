"""Runs of the real `ros2 launch`, and a node that looks at what they publish."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

ROOT = Path(__file__).parents[2]
LAUNCH_FILE = ROOT / 'launch' / 'depth.launch.py'
_STARTED = 'process started with pid'
DEADLINE_S = 300.0  # the first start may convert the network, on a busy machine

Start = Callable[..., 'Launched']
T = TypeVar('T')


def is_built() -> bool:
    """Whether `ros2 launch drnet_ros` would find a built package."""
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    return shutil.which('ros2') is not None and any(
        (Path(prefix) / 'share/drnet_ros/launch' / LAUNCH_FILE.name).is_file()
        for prefix in prefixes
    )


needs_launch = pytest.mark.skipif(
    importlib.util.find_spec('launch_ros') is None,
    reason='launch and launch_ros are not installed (they come with ROS 2, not from PyPI)',
)
needs_ros2_launch = pytest.mark.skipif(
    not is_built(),
    reason='no `ros2 launch`, or no drnet_ros that colcon built, in this environment',
)


class Launched:
    """A running `ros2 launch drnet_ros FILE`, or `ros2 launch PATH`."""

    def __init__(
        self, file: str, arguments: list[str], log: Path, environment: dict[str, str]
    ) -> None:
        self._log = log
        with log.open('w') as output:
            self._process = subprocess.Popen(
                ['ros2', 'launch', *(() if '/' in file else ('drnet_ros',)), file, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the first match in the output."""
        return wait_for(
            lambda: re.search(pattern, self.output), lambda: f'{pattern}: {self.output}'
        )

    def wait_until_it_ends(self) -> int:
        return self._process.wait(DEADLINE_S)

    def stop(self) -> None:
        """Interrupt as Ctrl-C does, and make sure that nothing is left.

        A Ctrl-C while it starts a process can make `ros2 launch` itself wait for ever for one
        that has ended (docs/troubleshooting.md), so the first process is awaited.
        """
        wait_for(
            lambda: self._process.poll() is not None or _STARTED in self.output,
            lambda: f'no process and no end: {self.output}',
        )
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
            try:
                self._process.wait(DEADLINE_S)
            finally:
                if self._process.poll() is None:
                    os.killpg(self._process.pid, signal.SIGKILL)

    def pid_of(self, number: int) -> int:
        """Return the process of the node that was started as that one."""
        started = rf'\[depth_node-{number}\]: process started with pid \[(\d+)\]'
        return int(self.wait_for(started)[1])

    def environment_of_node(self) -> dict[str, str]:
        """Return what the launch system handed to the node's process."""
        pid = self.pid_of(1)
        text = wait_for(Path(f'/proc/{pid}/environ').read_text, lambda: f'environment of {pid}')
        return dict(entry.split('=', 1) for entry in text.split('\0') if '=' in entry)


def environment_with(prefix: Path, *packages: str) -> dict[str, str]:
    """Make packages that are found, and nothing else; returns the environment."""
    index = prefix / 'share/ament_index/resource_index/packages'
    index.mkdir(parents=True)
    for package in packages:
        (index / package).touch()
        (prefix / 'share' / package / 'launch').mkdir(parents=True)
        (prefix / 'lib' / package).mkdir(parents=True)
    return {'AMENT_PREFIX_PATH': f'{prefix}{os.pathsep}{os.environ["AMENT_PREFIX_PATH"]}'}


def wait_for(condition: Callable[[], T | None], what: Callable[[], str]) -> T:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.05)
    pytest.fail(f'not within {DEADLINE_S:g} s: {what()}')


def make_start(tmp_path: Path) -> Iterator[Start]:
    """Start the launch file with arguments; whatever runs is stopped at the end."""
    running: list[Launched] = []

    def start_one(*arguments: str, file: str = LAUNCH_FILE.name, **environment: str) -> Launched:
        log = tmp_path / f'launch{len(running)}.log'
        running.append(Launched(file, list(arguments), log, dict(os.environ) | environment))
        return running[-1]

    yield start_one
    for launched in running:
        launched.stop()


def make_observer() -> Iterator[Any]:
    """An rclpy node of its own in the domain of the launched one (see conftest.py)."""
    rclpy = pytest.importorskip('rclpy')
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('observer', context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def is_installed(package: str) -> bool:
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix  # noqa: PLC0415

    try:
        get_package_prefix(package)
    except PackageNotFoundError:
        return False
    return True
