"""Steadies the scale of depth from one frame to the next; see `docs/temporal_filter.md`.

A network that sees each frame alone gives every one a slightly different scale. Where pixels of
two frames show the same thing, the ratio of their depths tells how scale has changed, but for one
part of it that is true: the camera came nearer or went away. That part shows in the picture too,
as it grows or shrinks by the same factor. What remains is flicker. It is summed up over time with
a leak, which is a first-order high pass in log scale, and divided out:

    e(t) = exp(-dt / T) (e(t - dt) + median ln(z(t) / z(t - dt)) + ln zoom),   z' = z exp(-e)

So a change that the picture does not explain comes through with time constant T and nothing is
held for good, neither an error of the first frame nor one of the measured zoom.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from drnet_ros.inference.arrays import FloatArray, UInt8Array
from drnet_ros.inference.frames import DepthFrame, Frame
from drnet_ros.inference.image_motion import image_motion, small_gray
from drnet_ros.inference.postprocess import rescale

if TYPE_CHECKING:
    from drnet_ros.inference.camera import CameraModel
    from drnet_ros.inference.settings import Settings

__all__ = ['LONGEST_GAP_S', 'ScaleFilter']

LONGEST_GAP_S = 1.0
"""After a longer pause between two frames, or if stamps go back, the filter starts anew."""

_NS_PER_S = 1e9
# Of the pixels that both frames see, so many must have depth in both for their ratio to count.
_LEAST_OVERLAP = 0.1
# No more than a factor of two is ever divided out.
_MAX_LOG_CORRECTION = math.log(2)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """The last frame of a stream.

    Attributes:
        stamp_ns: Its stamp.
        gray: Its picture, small.
        log_depth: Logarithm of its depth before correction, of the same size, NaN where invalid.
        kind: What must stay the same from frame to frame.
        log_correction: What was divided out of it.
    """

    stamp_ns: int
    gray: UInt8Array
    log_depth: FloatArray
    kind: tuple[object, ...]
    log_correction: float = 0.0


class ScaleFilter:
    """Remembers the last frame of each stream; for one thread at a time."""

    def __init__(self) -> None:
        """Know no stream as yet."""
        self._seen: dict[str, _Seen] = {}

    def steady(self, frame: Frame, result: DepthFrame, settings: Settings) -> DepthFrame:
        """Steady the depth of a frame, and its cloud.

        Args:
            frame: What was submitted, with its `stream` and `stamp_ns`, in the order of the
                stamps; one without `stamp_ns` stays as it is.
            result: What came of it; its arrays are changed in place.
            settings: How it was computed; `temporal_filter` is the time constant in seconds.

        Returns:
            The same frame.
        """
        if frame.stamp_ns is None:
            return result
        gray = small_gray(frame.rgb_hwc)
        camera = frame.camera
        if camera is not None and settings.image_is_rectified:
            camera = camera.rectified()
        scaled = settings.scale_by_focal_length, settings.scale_factor
        kind = (frame.rgb_hwc.shape, result.depth_hw.shape, _focal(camera), scaled)
        now = _Seen(frame.stamp_ns, gray, _log_small(result.depth_hw, gray), kind)
        before = self._seen.get(frame.stream)
        if before is not None and _continues(before, now):
            correction = _log_correction(before, now, camera, settings.temporal_filter)
            now = replace(now, log_correction=correction)
        self._seen[frame.stream] = now
        if now.log_correction:
            rescale(result, math.exp(-now.log_correction), settings)
        return result


def _focal(camera: CameraModel | None) -> tuple[float, float] | None:
    return None if camera is None else (camera.fx, camera.fy)


def _continues(before: _Seen, now: _Seen) -> bool:
    gap_ns = now.stamp_ns - before.stamp_ns
    return before.kind == now.kind and 0 < gap_ns <= LONGEST_GAP_S * _NS_PER_S


def _log_correction(
    before: _Seen, now: _Seen, camera: CameraModel | None, time_constant_s: float
) -> float:
    """Return e(t) of the equation in the docstring of this module."""
    leak = math.exp((before.stamp_ns - now.stamp_ns) / (_NS_PER_S * time_constant_s))
    summed = before.log_correction + _flicker(before, now, camera)
    return leak * max(-_MAX_LOG_CORRECTION, min(_MAX_LOG_CORRECTION, summed))


def _flicker(before: _Seen, now: _Seen, camera: CameraModel | None) -> float:
    """Return the change of log scale that the pictures do not explain, 0 if they do not match."""
    motion = image_motion(before.gray, now.gray, camera)
    if motion is None:
        return 0.0
    height, width = now.gray.shape
    moved = cv2.warpAffine(
        before.log_depth,
        motion.similarity,
        (width, height),
        flags=cv2.INTER_NEAREST,
        borderValue=math.nan,
    )
    changes = (now.log_depth - moved).ravel()
    changes = changes[np.isfinite(changes)]
    if changes.size < _LEAST_OVERLAP * now.gray.size:
        return 0.0
    return float(np.median(changes)) + motion.log_zoom


def _log_small(depth_hw: FloatArray, gray: UInt8Array) -> FloatArray:
    small = cv2.resize(depth_hw, gray.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return np.log(small)  # NaN stays NaN
