"""An engine whose depth is known beforehand, for tests of what the node does with it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from drnet_ros.inference import CameraModel, DepthEstimator, DepthFrame, Engine, Frame, Settings
from drnet_ros.inference.camera import rays
from drnet_ros.inference.depth import limit_range, point_cloud
from drnet_ros.inference.engine import FloatArray, Pending, UInt8Array
from drnet_ros.inference.temporal import ScaleSteadier


def depth_of(rgb_hwc: UInt8Array) -> FloatArray:
    """Depth in metres: 1 plus the red channel in centimetres; a red of 255 is invalid."""
    depth_hw: FloatArray = rgb_hwc[..., 0].astype(np.float32) / np.float32(100)
    depth_hw += 1
    depth_hw[rgb_hwc[..., 0] == 255] = np.nan
    return depth_hw


class KnownPending(Pending):
    def __init__(self, engine: KnownEngine, frames: Sequence[Frame], settings: Settings) -> None:
        self._engine = engine
        self._frames = frames
        self._settings = settings

    def result(self, timeout_s: float | None = None) -> list[DepthFrame]:
        self._engine.entered.release()
        if not self._engine.may_finish.wait(timeout_s):
            raise TimeoutError
        self._engine.raise_if_told()
        return [self._computed(frame) for frame in self._frames]

    def _computed(self, frame: Frame) -> DepthFrame:
        height, width = frame.rgb_hwc.shape[:2]
        depth_hw = depth_of(frame.rgb_hwc)
        out_h, out_w = self._settings.output_size
        if out_h:
            depth_hw = np.ascontiguousarray(depth_hw[:: height // out_h, :: width // out_w])
        limit_range(depth_hw, self._settings.min_depth, self._settings.max_depth)
        camera = frame.camera.scaled_to(*depth_hw.shape[:2]) if frame.camera else None
        return DepthFrame(depth_hw, camera, self._points(frame, depth_hw, camera))

    def _points(
        self, frame: Frame, depth_hw: FloatArray, camera: CameraModel | None
    ) -> FloatArray | None:
        if camera is None or not frame.points:
            return None
        rgb = frame.rgb_hwc if self._settings.point_color else None
        return point_cloud(depth_hw, rays(camera), rgb, self._settings.point_stride)


class KnownEngine(Engine):
    """Counts what it gets, and waits or fails when told to.

    Attributes:
        batches: Sizes of the submitted batches.
        wanted_points: Whether the cloud was asked for, for each frame.
        may_finish: Cleared, results keep their callers waiting.
        entered: Released whenever a result is asked for.
        error: Raised instead of the next results.
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
        self.closed_count = 0

    def submit(self, frames: Sequence[Frame], settings: Settings) -> Pending:
        self.batches.append(len(frames))
        self.wanted_points += [frame.points for frame in frames]
        return KnownPending(self, frames, settings)

    def prepare(self, image_hw: tuple[int, int], settings: Settings) -> None:
        pass

    def network_size(self, image_hw: tuple[int, int]) -> tuple[int, int]:
        return image_hw

    def close(self) -> None:
        self.closed_count += 1

    def raise_if_told(self) -> None:
        error, self.error = self.error, None
        if error is not None:
            raise error


class KnownEstimator(DepthEstimator):
    """The estimator around such an engine."""

    def __init__(self, settings: Settings, engine: KnownEngine) -> None:
        self.settings = settings
        self._engine = engine
        self._steadier = ScaleSteadier()

    def describe(self) -> dict[str, str]:
        return {'engine': self._engine.name, 'device': self._engine.device, 'weights': 'none'}
