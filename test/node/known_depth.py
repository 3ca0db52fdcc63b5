"""An engine whose network is known beforehand, for tests of what the node does with depth."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import numpy as np

from drnet_ros.inference import DepthFrame, Engine, Frame, Settings
from drnet_ros.inference.arrays import FloatArray, UInt8Array
from drnet_ros.inference.engines.engine import Pending
from drnet_ros.inference.postprocess import PostProcessor
from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.metadata import WeightsMetadata


def depth_of(rgb_hwc: UInt8Array) -> FloatArray:
    """Depth in metres: 1 plus the red channel in centimetres; a red of 255 is invalid."""
    depth_hw: FloatArray = rgb_hwc[..., 0].astype(np.float32) / np.float32(100)
    depth_hw += 1
    depth_hw[rgb_hwc[..., 0] == 255] = np.nan
    return depth_hw


# f_training is the focal length of `node_graph.camera_info`.
METADATA = WeightsMetadata(
    network=NetworkConfig(),
    input_height=48,
    input_width=64,
    f_training=50.0,
    min_depth=0.1,
    max_depth=10.0,
)


class KnownPending(Pending):
    def __init__(self, engine: KnownEngine, frames: Sequence[Frame], settings: Settings) -> None:
        self._engine = engine
        self._frames = frames
        self._settings = settings

    def wait_for_turn(self) -> None:
        if self._engine.is_serial:
            self._engine.entered.release()
            self._engine.may_finish.wait()

    def result(self, timeout_s: float | None = None) -> list[DepthFrame]:
        self._engine.entered.release()
        if not self._engine.may_finish.wait(timeout_s):
            raise TimeoutError
        self._engine.raise_if_told()
        return [self._computed(frame) for frame in self._frames]

    def _computed(self, frame: Frame) -> DepthFrame:
        # The colours are the depth already, and have no edges of their own to follow.
        settings = self._settings.changed(refine_edges=False)
        if not self._engine.is_scaled:
            settings = settings.changed(scale_by_focal_length=False)
        depth_hw = self._engine.depth_of(frame.rgb_hwc)
        return PostProcessor(METADATA).finish(depth_hw, frame, settings)


class KnownEngine(Engine):
    """Counts what it gets, and waits or fails when told to.

    Attributes:
        batches: Sizes of the submitted batches.
        wanted_points: Whether the cloud was asked for, for each frame.
        may_finish: Cleared, results keep their callers waiting.
        entered: Released whenever a result is asked for, or the turn after it.
        is_serial: Whether it computes one batch at a time, as on a CPU.
        error: Raised instead of the next results.
        depth_of: Depth of an image, in place of a network; all that follows is the real thing,
            but for `refine_edges`.
        preparations: What must be done before frames of these sizes can start.
        is_scaled: Whether `scale_by_focal_length` holds, with `METADATA`.
    """

    name = 'known'
    device = 'test'
    precision = 'exact'

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.wanted_points: list[bool] = []
        self.may_finish = threading.Event()
        self.may_finish.set()
        self.entered = threading.Semaphore(0)
        self.error: Exception | None = None
        self.depth_of: Callable[[UInt8Array], FloatArray] = depth_of
        self.preparations: dict[tuple[int, int], Future[None]] = {}
        self.is_scaled = False
        self.is_serial = False
        self.closed_count = 0

    def submit(self, frames: Sequence[Frame], settings: Settings) -> Pending:
        self.batches.append(len(frames))
        self.wanted_points += [frame.points for frame in frames]
        return KnownPending(self, frames, settings)

    def prepare(self, image_hw: tuple[int, int], settings: Settings) -> None:
        pass

    def prepare_async(
        self,
        image_hw: tuple[int, int],
        settings: Settings,  # noqa: ARG002 - the interface's
    ) -> Future[None] | None:
        preparation = self.preparations.get(image_hw)
        return None if preparation is None or preparation.done() else preparation

    def network_size(self, image_hw: tuple[int, int]) -> tuple[int, int]:
        return image_hw

    def close(self) -> None:
        self.closed_count += 1

    def raise_if_told(self) -> None:
        error, self.error = self.error, None
        if error is not None:
            raise error
