"""What the measurements of a node share: a node and a client that has got depth from it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from node_client import Client
from node_under_test import BareEngine, NodeProcess

from drnet_ros.inference import Settings

if TYPE_CHECKING:
    from node_robot import Robot

__all__ = ['IMAGE_HW', 'Session', 'await_depth']

IMAGE_HW = (480, 640)
START_TIMEOUT_S = 120.0


class Session:
    """What all measurements share.

    Args:
        options: The command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.weights: str = options.weights
        self.seconds: float = options.seconds
        self.rounds: int = options.rounds
        self.minutes: float = options.minutes
        self.parameters = dict(word.split('=', 1) for word in options.set)
        self._count = 0

    def bare_engine(self, network_hw: tuple[int, int]) -> BareEngine:
        """Return the engine alone, at the size that a node would choose."""
        return BareEngine(Settings(weights=self.weights, input_size=network_hw), IMAGE_HW)

    @contextmanager
    def node(
        self,
        network_hw: tuple[int, int] | None,
        *,
        clouds: bool = True,
        cameras: tuple[str, ...] = (),
        robot: Robot | None = None,
        sources: tuple[str, ...] = (),
        parameters: Mapping[str, str] | None = None,
    ) -> Iterator[tuple[NodeProcess, Client]]:
        """Run a node and a client that has got its first depth from it.

        None for the size of the network is that of the node's defaults. A robot sends images and
        sensor data of the clip; the sources are what the node uses of it.
        """
        self._count += 1
        namespace = f'/bench{self._count}'
        prefixes = [f'{namespace}/{name}/' for name in cameras] or [f'{namespace}/']
        client = Client(prefixes, IMAGE_HW, clouds=clouds, robot=robot)
        parameters = {'weights': self.weights, **self.parameters, **(parameters or {})}
        if network_hw is not None:
            parameters['input_size'] = f'[{network_hw[0]},{network_hw[1]}]'
        if cameras:
            parameters['cameras'] = '[' + ','.join(cameras) + ']'
        if robot is not None and sources:
            parameters['sparse_depth_sources'] = json.dumps(sources)
            parameters['sparse_depth_extrinsics'] = json.dumps(robot.extrinsics)
        process = NodeProcess(namespace, parameters)
        try:
            await_depth(client, process)
            client.saturate(1.0)
            yield process, client
        finally:
            process.stop()
            client.close()


def await_depth(client: Client, process: NodeProcess) -> None:
    """Send images until each camera has got depth."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while not all(camera.received for camera in client.cameras):
        if process.has_ended() or time.monotonic() > deadline_s:
            sys.exit('error: the node gave no depth; what it wrote above says why')
        if client.is_connected():
            for camera in client.cameras:
                camera.send()
        client.spin_until(lambda: all(camera.received for camera in client.cameras), 0.02)
