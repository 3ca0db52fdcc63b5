"""Depth for image and video files: uint16 millimetre PNGs, pictures to look at, and clouds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drnet_offline.datasets.image_files import Photo, read_photo
from drnet_offline.errors import DatasetError
from drnet_offline.outputs.depth_picture import depth_picture
from drnet_offline.outputs.files import make_folder, write_image
from drnet_offline.outputs.inputs import Input
from drnet_offline.outputs.video_file import VideoFile
from drnet_offline.report.ply import write_ply
from drnet_ros.errors import CameraError, ImageError
from drnet_ros.inference import CameraModel, DepthEstimator, Frame
from drnet_ros.inference.arrays import FloatArray
from drnet_ros.inference.depth import depth_range, to_millimetres
from drnet_ros.inference.limits import MAX_PIXELS, check_shape
from drnet_ros.recordings.video import Video, is_video

__all__ = ['CameraOf', 'Prediction']

CameraOf = Callable[[int, int], CameraModel]
"""Gives the camera of images of a height and width."""

_FILM_DIAGONAL_MM = math.hypot(36, 24)
_RANGE_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class Prediction:
    """Writes depth for files into a folder.

    Attributes:
        estimator: Estimates the depth.
        output: The folder.
        camera_of: The camera of all images; None if unknown, then that of an image's EXIF is
            taken, and without one the training camera's field of view.
        wants_ply: Whether to write clouds of images.
    """

    estimator: DepthEstimator
    output: Path
    camera_of: CameraOf | None
    wants_ply: bool

    def is_done(self, item: Input) -> bool:
        """Return whether the results are there, and no older than the input."""
        last = self._video_path(item) if is_video(item.path) else self._preview_path(item)
        return last.is_file() and last.stat().st_mtime >= item.path.stat().st_mtime

    def predict(self, item: Input, on_frame: Callable[[int, int], None]) -> str:
        """Write the depth of an image or a video.

        Args:
            item: The input.
            on_frame: Called after each frame of a video with how many are done, and how many there
                are (0 if unknown).

        Returns:
            One line about it for people.

        Raises:
            DatasetError: It cannot be read, is of a shape that the network can make nothing of,
                or depth would overwrite it.
            OfflineError: A file cannot be written.
            RecordingError: The video cannot be read.
        """
        try:
            if is_video(item.path):
                return self._predict_video(item, on_frame)
            return self._predict_image(item)
        except (CameraError, ImageError) as error:
            msg = f'{item.path}: {error}'
            raise DatasetError(msg) from error

    def _predict_image(self, item: Input) -> str:
        target = self._target(item, '.png')
        if target.resolve() == item.path.resolve():
            msg = f'depth would overwrite the image {item.path}: name another output folder'
            raise DatasetError(msg)
        photo = read_photo(item.path)
        height, width = photo.rgb_hwc.shape[:2]
        check_shape(height, width)
        camera, known_by = self._camera(photo)
        if camera is None and self.wants_ply:
            camera = self.estimator.assumed_camera(height, width)
        start_s = time.monotonic()
        frame = self.estimator.estimate(photo.rgb_hwc, camera, points=self.wants_ply, stddev=False)
        took_ms = (time.monotonic() - start_s) * 1000
        make_folder(target.parent)
        write_image(target, to_millimetres(frame.depth_hw))
        if frame.points is not None:
            write_ply(self._target(item, '.ply'), frame.points)
        write_image(self._preview_path(item), depth_picture(photo.rgb_hwc, frame.depth_hw))
        reduced = (
            ''
            if photo.reduction == 1
            else (
                f'; over {MAX_PIXELS / 1e6:.1f} million pixels, so reduced to {width} x {height}'
            )
        )
        return f'{item.path}: {_range_text(frame.depth_hw)}, {took_ms:.0f} ms, {known_by}{reduced}'

    def _predict_video(self, item: Input, on_frame: Callable[[int, int], None]) -> str:
        folder = self._target(item, '')
        make_folder(folder)
        start_s = time.monotonic()
        nearest, farthest = math.inf, -math.inf
        range_m: tuple[float, float] | None = None
        count = 0
        with (
            Video(item.path) as video,
            VideoFile(self._video_path(item), video.rate_hz) as written,
        ):
            camera = self.camera_of and self.camera_of(video.height, video.width)
            for count, shown in enumerate(video, start=1):
                check_shape(*shown.rgb_hwc.shape[:2])
                frame = Frame(shown.rgb_hwc, camera, stamp_ns=shown.stamp_ns)
                result = self.estimator.submit([frame]).result()[0]
                name = f'{shown.position:06d}.png'
                write_image(folder / name, to_millimetres(result.depth_hw))
                range_m = _smoothed(range_m, depth_range(result.depth_hw))
                written.write(depth_picture(shown.rgb_hwc, result.depth_hw, range_m))
                nearest, farthest = min(nearest, range_m[0]), max(farthest, range_m[1])
                on_frame(count, video.frame_count)
            missing = video.missing(count)
        if missing or not count:
            none = f'{item.path} must have a frame that can be decoded, got none'
            msg = f'{missing}; there is depth of those' if count else none
            raise DatasetError(msg)
        per_frame_ms = (time.monotonic() - start_s) * 1000 / count
        known_by = 'the camera given' if camera is not None else 'camera unknown'
        return (
            f'{item.path}: {nearest:.2f} to {farthest:.2f} m, {count} frames, '
            f'{per_frame_ms:.0f} ms each, {known_by}'
        )

    def _camera(self, photo: Photo) -> tuple[CameraModel | None, str]:
        """Return the camera of an image, and in words how it is known."""
        height, width = photo.rgb_hwc.shape[:2]
        whole = height * photo.reduction, width * photo.reduction
        if self.camera_of is not None:
            return self.camera_of(*whole).scaled_to(height, width), 'the camera given'
        if photo.focal_35mm is None:
            return None, 'camera unknown'
        focal_px = photo.focal_35mm * math.hypot(height, width) / _FILM_DIAGONAL_MM
        camera = CameraModel(width, height, focal_px, focal_px, (width - 1) / 2, (height - 1) / 2)
        return camera, f'EXIF says {photo.focal_35mm:g} mm'

    def _target(self, item: Input, suffix: str) -> Path:
        return self.output / item.name.with_name(f'{item.name.name}{suffix}')

    def _preview_path(self, item: Input) -> Path:
        return self._target(item, '.preview.jpg')

    def _video_path(self, item: Input) -> Path:
        return self._target(item, '.preview.mp4')


def _range_text(depth_hw: FloatArray) -> str:
    if not np.isfinite(depth_hw).any():
        return 'no valid depth'
    return f'{np.nanmin(depth_hw):.2f} to {np.nanmax(depth_hw):.2f} m'


def _smoothed(old: tuple[float, float] | None, new: tuple[float, float]) -> tuple[float, float]:
    if old is None:
        return new
    near, far = (a + _RANGE_SMOOTHING * (b - a) for a, b in zip(old, new, strict=True))
    return near, far
