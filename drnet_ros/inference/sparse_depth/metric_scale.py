"""Sparse depth and uncertainty, applied to what an engine computed; the same for every engine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from drnet_ros.inference.postprocess import build_cloud, ray_camera_of, rescale
from drnet_ros.inference.sparse_depth.certainty import drop_uncertain
from drnet_ros.inference.sparse_depth.scaling import SparseScaler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drnet_ros.inference.camera import CameraModel
    from drnet_ros.inference.frames import DepthFrame, Frame
    from drnet_ros.inference.settings import Settings
    from drnet_ros.inference.sparse_depth.scale_model import ScaleModel

__all__ = ['MetricScale', 'engine_frames', 'engine_settings', 'is_scaled']

# Depth out of range may come into it when it is scaled, so that the range is applied afterwards.
_WIDEST_M = 0.001, 80.0


def is_scaled(frames: Sequence[Frame]) -> bool:
    """Return whether anything is to be done to the engine's results."""
    return any(frame.sparse_depth is not None or frame.stddev for frame in frames)


def engine_frames(frames: Sequence[Frame]) -> list[Frame]:
    """Return what the engine must compute: clouds are made once depth is scaled."""
    return [
        frame if frame.sparse_depth is None else replace(frame, points=False) for frame in frames
    ]


def engine_settings(frames: Sequence[Frame], settings: Settings) -> Settings:
    """Return what the engine must compute with, so that results can be scaled afterwards."""
    if all(frame.sparse_depth is None for frame in frames):
        return settings
    return replace(settings, min_depth=_WIDEST_M[0], max_depth=_WIDEST_M[1])


class MetricScale:
    """Scales depth frames by sparse depth; for one thread at a time."""

    def __init__(self, model: ScaleModel) -> None:
        """Know no camera as yet.

        Args:
            model: The calibrated numbers of the weights.
        """
        self._scaler = SparseScaler(model)

    def reset(self, stream: str | None = None) -> None:
        """Forget what earlier frames said of the scale.

        Args:
            stream: Of which camera; None for all.
        """
        self._scaler.reset(stream)

    def apply(self, frame: Frame, result: DepthFrame, settings: Settings) -> DepthFrame:
        """Scale the depth of a frame, and make its cloud.

        Args:
            frame: What was submitted, those of a stream in the order of their stamps.
            result: What came of `engine_frames` with `engine_settings`; its arrays are changed in
                place.
            settings: The range that depth must have in the end.

        Returns:
            The same arrays, with cloud, standard deviation and scale where they are asked for.
        """
        if frame.sparse_depth is None and not frame.stddev:
            rescale(result, 1.0, settings)
            return result
        camera = result.camera and ray_camera_of(result.camera, settings)
        scaled = self._scaled(frame, result, camera, settings)
        if frame.sparse_depth is not None and frame.points and camera is not None:
            cloud = build_cloud(scaled.depth_hw, camera, frame.rgb_hwc, settings)
            scaled = replace(scaled, points=cloud)
        if settings.max_stddev_ratio > 0:
            drop_uncertain(scaled, settings.max_stddev_ratio, settings.point_stride)
        return scaled

    def _scaled(
        self, frame: Frame, result: DepthFrame, camera: CameraModel | None, settings: Settings
    ) -> DepthFrame:
        """Return a frame with scaled depth; pixels look along the rays of `camera`."""
        depth, sparse_depth = result.depth_hw, frame.sparse_depth
        scaling = self._scaler.scale(
            depth, camera, sparse_depth, stream=frame.stream, stamp_ns=frame.stamp_ns
        )
        if scaling is None:  # nothing is valid
            return replace(result, stddev_hw=depth.copy()) if frame.stddev else result
        factors = 1.0 if sparse_depth is None else scaling.field.factor_rows(depth)
        rescale(result, factors, settings)
        stddev = None
        if frame.stddev:
            stddev = scaling.field.stddev(depth, scaling.coarse, self._scaler.model)
        return replace(result, stddev_hw=stddev, scale=scaling.scale)
