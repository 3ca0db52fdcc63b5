"""What goes into an engine and what comes out: one image, and the depth of one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from os import PathLike
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from drnet_ros.errors import CameraError, EngineError, SparseDepthError
from drnet_ros.inference.arrays import FloatArray, UInt8Array
from drnet_ros.inference.camera import CameraModel
from drnet_ros.inference.depth import colourise, depth_range, to_millimetres
from drnet_ros.inference.limits import check_image
from drnet_ros.inference.sparse_depth.depth_scale import DepthScale
from drnet_ros.inference.sparse_depth.points import SparseDepth
from drnet_ros.ply import ply_of

__all__ = ['DepthFrame', 'Frame', 'check_frames']


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image to estimate depth for.

    Attributes:
        rgb_hwc: Image, uint8 (H, W, 3), RGB. Not copied: leave it unchanged until the result is
            there. May be read-only, and need not be contiguous.
        camera: Intrinsics of this image, or None if unknown: then the training camera's field of
            view is assumed, and there is no cloud. `CameraModel.matching` tells whether it fits.
        points: Whether the cloud is wanted.
        stamp_ns: When it was taken, in nanoseconds, None if unknown: then `temporal_filter` leaves
            it as it is, and its scale rests on its own sparse depth alone.
        stream: Which camera's images it is one of, for what is remembered from frame to frame.
        sparse_depth: Points of known position in this camera's optical frame, for the scale. Empty
            if there is a source but no data for this image: then the scale of the frames before
            goes on. None if there is no source: then depth is the network's own. Without `camera`
            it cannot be used.
        stddev: Whether the standard deviation of depth is wanted.
        raw_camera: Where `rgb_hwc` was rectified, the camera before that, at the image's size.
        beyond: Whether to tell which invalid depth is beyond `Settings.max_depth`.
        voxels: Whether the cloud thinned by `Settings.point_voxel` is wanted; not if that is 0.
    """

    rgb_hwc: UInt8Array
    camera: CameraModel | None = None
    points: bool = False
    stamp_ns: int | None = None
    stream: str = ''
    sparse_depth: SparseDepth | None = None
    stddev: bool = False
    raw_camera: CameraModel | None = None
    beyond: bool = False
    voxels: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class DepthFrame:
    """Depth of one image; the arrays own their memory and are the caller's to keep.

    Attributes:
        depth_hw: Depth along the optical z axis in metres, float32 (H, W), C-contiguous, NaN where
            invalid; at `Settings.output_size`, or at the image's size.
        camera: The frame's camera scaled to the size of the depth, or None if it had none.
        points: Organised cloud in the optical frame in metres, float32 (h, w, 3 or 4),
            C-contiguous, NaN where invalid, h = ceil(H / point_stride); the fourth channel holds
            the bits of the packed color 0x00RRGGBB. None if not wanted or without a camera.
        stddev_hw: One standard deviation of `depth_hw` in metres, float32 (H, W), NaN where depth
            is; calibrated with the weights. None if not wanted.
        scale: What depth was scaled by, and on what grounds; None if the frame had neither sparse
            depth nor a wish for `stddev_hw`.
        beyond_hw: Where depth is invalid since it is beyond `Settings.max_depth`, bool (H, W);
            None if not wanted.
        voxels: The cloud thinned by `Settings.point_voxel`, float32 (1, N, 3 or 4), valid points
            alone; None if not wanted or without a camera.
    """

    depth_hw: FloatArray
    camera: CameraModel | None = None
    points: FloatArray | None = None
    stddev_hw: FloatArray | None = None
    scale: DepthScale | None = None
    beyond_hw: NDArray[np.bool_] | None = None
    voxels: FloatArray | None = None

    def colour(self) -> UInt8Array:
        """Paint the depth for people: red is near, blue is far, black is invalid.

        Returns:
            Image, uint8 (H, W, 3), RGB; its colours span `depth.depth_range` of this frame.
        """
        return colourise(self.depth_hw, *depth_range(self.depth_hw))

    def save_png(self, path: str | PathLike[str]) -> None:
        """Write the depth as a PNG of 16-bit millimetres, 0 where invalid.

        Args:
            path: The file.

        Raises:
            OSError: It cannot be written.
        """
        png = cv2.imencode('.png', to_millimetres(self.depth_hw))[1]
        Path(path).write_bytes(png.tobytes())

    def save_ply(self, path: str | PathLike[str]) -> int:
        """Write the cloud as a binary PLY, with the colours that it has.

        Args:
            path: The file.

        Returns:
            How many points were written; invalid ones are not.

        Raises:
            CameraError: The frame has no cloud: estimate it with a camera and `points=True`.
            OSError: The file cannot be written.
        """
        if self.points is None:
            msg = 'a frame must have a cloud, got none; estimate it with a camera and points=True'
            raise CameraError(msg)
        data, count = ply_of(self.points)
        Path(path).write_bytes(data)
        return count


def check_frames(frames: object) -> None:
    """Refuse arguments that are not frames, and say what they are.

    Args:
        frames: What should be a sequence of Frame.

    Raises:
        EngineError: It is not a sequence of Frame, or a stamp, stream or wish is none.
        ImageError: kind 'bad_type', an image is not an array as described.
        CameraError: A camera is not a CameraModel.
        SparseDepthError: Sparse depth is not a SparseDepth.
    """
    if not isinstance(frames, Sequence) or not all(isinstance(each, Frame) for each in frames):
        msg = f'frames must be a list of Frame, got {_kind(frames)}; write [Frame(image)]'
        raise EngineError(msg)
    for frame in frames:
        check_image(frame.rgb_hwc)
        _check_wishes(frame)
        if not isinstance(frame.stamp_ns, Real | None):
            msg = f'stamp_ns must be nanoseconds or None, got {frame.stamp_ns!r}'
            raise EngineError(msg)
        if not isinstance(frame.stream, str):
            msg = f"stream must be the name of a camera, such as 'left', got {frame.stream!r}"
            raise EngineError(msg)
        if not isinstance(frame.camera, CameraModel | None):
            msg = (
                f'camera must be a CameraModel, got {type(frame.camera).__name__}; '
                'CameraModel.from_fields makes one of width, height and K'
            )
            raise CameraError(msg)
        if not isinstance(frame.sparse_depth, SparseDepth | None):
            msg = (
                f'sparse_depth must be a SparseDepth, got {type(frame.sparse_depth).__name__}; '
                'write SparseDepth(points_xyz)'
            )
            raise SparseDepthError(msg)


def _check_wishes(frame: Frame) -> None:
    for name in ('points', 'stddev', 'voxels'):
        value = getattr(frame, name)
        if not isinstance(value, bool | np.bool_):
            msg = f'{name} must be True or False, got {value!r}'
            raise EngineError(msg)


def _kind(frames: object) -> str:
    """Return the type of what should be frames, and of what is in it."""
    name = type(frames).__name__
    if not isinstance(frames, Sequence):
        return name
    others = {type(each).__name__ for each in frames if not isinstance(each, Frame)}
    return f'a {name} with {", ".join(sorted(others))}'
