"""What is odd about the images of a camera, or their depth, though each of them can be used."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from drnet_ros.inference.camera import rays
from drnet_ros.inference.images.doubts import (
    REGION_DOUBT,
    has_whole_size,
    rows_doubt,
    stretch_doubt,
)
from drnet_ros.inference.images.exposure import exposure_problem
from drnet_ros.inference.temporal_filter import LONGEST_GAP_S
from drnet_ros.messages.reading import stamp_ns

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sensor_msgs.msg import CameraInfo

    from drnet_ros.inference import CameraModel, DepthFrame, Settings
    from drnet_ros.inference.arrays import UInt8Array
    from drnet_ros.node.messages import InputMessage

__all__ = ['InputCheck']

# How long an oddity counts after it was seen last.
_WINDOW_S = 5.0
# Every so many rows and columns are looked at.
_STRIDE = 16
# A fisheye lens leaves up to half of the image without a ray.
_MOST_WITHOUT_RAY = 0.75
_NS_PER_S = 1_000_000_000


class InputCheck:
    """Looks at each image of one camera and its depth, for the worker; the diagnostics read."""

    def __init__(self) -> None:
        """Have seen nothing."""
        self._last_ns = 0
        self._seen: dict[str, tuple[float, str]] = {}

    def look(self, message: InputMessage, rgb_hwc: UInt8Array, *, is_filtered: bool) -> int:
        """Look at an image.

        Args:
            message: Its message.
            rgb_hwc: The image, uint8 (H, W, 3).
            is_filtered: Whether `temporal_filter` is on, which needs stamps that go on.

        Returns:
            Its stamp in nanoseconds; where that is unset, the time now, so that filters work.
        """
        now_ns = stamp_ns(message)
        step_s = (now_ns - self._last_ns) / _NS_PER_S
        has_last, self._last_ns = self._last_ns > 0, now_ns
        if now_ns <= 0:
            self._note(
                'stamp',
                'images have no stamp: tf and what matches by time cannot use the depth; have the '
                'driver set header.stamp',
            )
            now_ns = time.monotonic_ns()
        elif is_filtered and has_last and step_s <= 0:
            self._note(
                'order',
                f'stamps go back or stand still ({step_s:.3f} s): temporal_filter begins anew',
            )
        elif is_filtered and has_last and step_s > LONGEST_GAP_S:
            self._note(
                'gap',
                f'stamps are {step_s:.1f} s apart, more than {LONGEST_GAP_S:g} s: temporal_filter '
                'begins anew',
            )
        if not message.header.frame_id:
            self._note(
                'frame_id',
                'images have no frame_id: tf and RViz cannot place the depth; have the driver set '
                'header.frame_id',
            )
        if doubt := rows_doubt(message):
            self._note('rows', doubt)
        exposure = exposure_problem(rgb_hwc)
        if exposure == 'black':
            self._note('dark', 'images are black: is the lens covered, or the exposure too short?')
        elif exposure:
            self._note('bright', 'images are white: is the exposure too long?')
        return now_ns

    def look_at_depth(self, result: DepthFrame, settings: Settings) -> None:
        """Look at the depth of an image, and at the camera that it has.

        Args:
            result: The depth, and its cloud if there is one.
            settings: The settings that it was computed with.
        """
        camera = result.camera
        step = settings.point_stride * _STRIDE
        has_depth = np.isfinite(result.depth_hw[::step, ::step])
        if not has_depth.any() and not np.isfinite(result.depth_hw).any():
            text = 'depth is invalid in all pixels: check min_depth, max_depth, scale_factor, mask'
            if camera is not None:
                text += (
                    f', and K of camera_info: the depth image of {camera.width} x {camera.height} '
                    f'has a focal length of {camera.focal_at(camera.height, camera.width):.3g} px'
                )
            self._note('depth', text)
        else:
            lacking = int(np.count_nonzero(has_depth & _lacks_point(result, settings)))
            share = lacking / max(1, int(np.count_nonzero(has_depth)))
            if share > _MOST_WITHOUT_RAY:
                self._note(
                    'points',
                    f'the cloud lacks {share:.0%} of the pixels that have depth: the lens '
                    'distortion D of camera_info cannot be undone there; calibrate the camera',
                )

    def look_at_camera_info(
        self,
        image_frame: str,
        image_hw: tuple[int, int],
        received: CameraInfo,
        camera: CameraModel | None,
    ) -> None:
        """Look at the CameraInfo that is taken for that of an image.

        Args:
            image_frame: frame_id of the image.
            image_hw: Its rows and columns.
            received: The CameraInfo.
            camera: What was made of it, at the size of the depth image.
        """
        info_frame = received.header.frame_id
        frames = image_frame.lstrip('/'), info_frame.lstrip('/')  # ROS 1 has them with a slash
        if camera is not None and camera.is_off_centre and not received.roi.width:
            self._note(
                'principal point',
                f'the principal point of camera_info lies at {camera.cx:.0f}, {camera.cy:.0f}, '
                f'far from the middle of the depth image of {camera.width} x {camera.height}: '
                'width and height of camera_info must be those that K is of, and a cropped image '
                'must have its ROI; otherwise scale and cloud are wrong',
            )
        if has_whole_size(received, image_hw):
            self._note('region', REGION_DOUBT)
        if camera is not None and (text := stretch_doubt(camera)):
            self._note('focal lengths', text)
        if all(frames) and frames[0] != frames[1]:
            self._note(
                'frames',
                f'camera_info is of the frame {info_frame!r}, images of {image_frame!r}: the '
                'intrinsics of another camera make scale and cloud wrong; remap camera_info to '
                'that of the images',
            )

    def problems(self) -> dict[str, str]:
        """Return what was seen of late: text by kind."""
        since_s = time.monotonic() - _WINDOW_S
        return {kind: text for kind, (at_s, text) in self._seen.copy().items() if at_s >= since_s}

    def _note(self, kind: str, text: str) -> None:
        self._seen[kind] = (time.monotonic(), text)


def _lacks_point(result: DepthFrame, settings: Settings) -> NDArray[np.bool_]:
    """Tell which of the sampled pixels can have no point, as there is no ray to them."""
    if result.points is not None:
        return np.isnan(result.points[::_STRIDE, ::_STRIDE, 2])
    step = settings.point_stride * _STRIDE
    if result.voxels is None or result.camera is None or settings.image_is_rectified:
        return np.zeros_like(result.depth_hw[::step, ::step], np.bool_)
    return np.isnan(rays(result.camera)[::step, ::step, 0])
