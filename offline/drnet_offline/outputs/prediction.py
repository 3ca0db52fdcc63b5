"""Depth for image and video files: uint16 millimetre PNGs, pictures to look at, and clouds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from drnet_offline.datasets.image_files import Photo, read_photo
from drnet_offline.errors import DatasetError, OfflineError
from drnet_offline.outputs.depth_file import is_depth_file, origin_of, refuse_foreign, write_depth
from drnet_offline.outputs.depth_picture import depth_picture
from drnet_offline.outputs.files import make_folder, write_image
from drnet_offline.outputs.inputs import Input
from drnet_offline.outputs.remarks import VideoDepths, remarks_on
from drnet_offline.outputs.video_file import VideoFile
from drnet_offline.report.ply import write_ply
from drnet_ros.errors import CameraError, ImageError, RecordingError
from drnet_ros.inference import CameraModel, DepthEstimator, Frame
from drnet_ros.inference.arrays import FloatArray
from drnet_ros.inference.limits import check_shape
from drnet_ros.recordings.video import Video, is_video

__all__ = ['CameraOf', 'Prediction']

CameraOf = Callable[[int, int], CameraModel]
"""Gives the camera of images of a height and width."""

_UNKNOWN = 'camera unknown (--fov, --camera)'
_DELETED = 'its depth was deleted while this ran: the same command makes it anew'


@dataclass(frozen=True, slots=True)
class Prediction:
    """Writes depth for files into a folder.

    Attributes:
        estimator: Estimates the depth.
        output: The folder.
        camera_of: The camera of all images; None if unknown, then that of an image's EXIF is
            taken, and without one the training camera's field of view.
        wants_ply: Whether to write clouds of images.
        made_with: What depth depends on besides the input, plain JSON.
    """

    estimator: DepthEstimator
    output: Path
    camera_of: CameraOf | None
    wants_ply: bool
    made_with: Mapping[str, object] = field(default_factory=dict)

    def is_done(self, item: Input) -> bool:
        """Return whether the results are there, of this input, these weights and this camera."""
        try:
            origin = self._origin(item)
        except DatasetError:  # to be said where it is read
            return False
        if is_video(item.path):
            return self._video_path(item).is_file() and any(
                origin_of(path) == origin
                for path in sorted(self._target(item, '').glob('*.png'))[:1]
            )
        is_same = origin_of(self._target(item, '.png')) == origin
        return is_same and self._is_there(item)

    def _is_there(self, item: Input) -> bool:
        """Return whether the files that an input was given are there."""
        results = [self._preview_path(item), self._target(item, '.png')]
        if is_video(item.path):
            results = [self._video_path(item), self._target(item, '')]
        elif self.wants_ply:
            results.append(self._target(item, '.ply'))
        return all(path.exists() for path in results)

    def check_kept(self, item: Input) -> None:
        """See to it at the end that the results of an input are still there.

        Args:
            item: An input that was done without an error.

        Raises:
            DatasetError: They were deleted meanwhile.
        """
        if not self._is_there(item):
            msg = f'{item.path}: {_DELETED}'
            raise DatasetError(msg)

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
                depth would overwrite it, or what is written of it is deleted meanwhile.
            OfflineError: A file cannot be written.
        """
        try:
            if is_video(item.path):
                return self._predict_video(item, on_frame)
            return self._predict_image(item)
        except (CameraError, ImageError) as error:
            msg = f'{item.path}: {error}'
            raise DatasetError(msg) from error
        except RecordingError as error:  # it costs no more than itself
            raise DatasetError(str(error)) from error
        except DatasetError:  # it says itself what is not there
            raise
        except OfflineError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                msg = f'{item.path}: {_DELETED}'
                raise DatasetError(msg) from error
            raise

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
        self._check_depth(item, camera, is_valid=bool(np.isfinite(frame.depth_hw).any()))
        make_folder(target.parent)
        cloud = self._target(item, '.ply')
        if frame.points is not None and not is_depth_file(target):
            refuse_foreign(cloud)
        self._preview_path(item).unlink(missing_ok=True)  # it says that all is done
        write_depth(target, frame.depth_hw, self._origin(item))
        if frame.points is not None:
            write_ply(cloud, frame.points)
        write_image(self._preview_path(item), depth_picture(photo.rgb_hwc, frame.depth_hw))
        words = [f'{_range_text(frame.depth_hw)}, {took_ms:.0f} ms, {known_by}']
        return f'{item.path}: {"; ".join(words + remarks_on(photo, camera))}'

    def _predict_video(self, item: Input, on_frame: Callable[[int, int], None]) -> str:
        folder = self._target(item, '')
        make_folder(folder)
        earlier = {path.name for path in folder.glob('*.png') if is_depth_file(path)}
        self._video_path(item).unlink(missing_ok=True)  # it says that all is done
        start_s = time.monotonic()
        depths, origin = VideoDepths(), self._origin(item)
        with (
            Video(item.path) as video,
            VideoFile(self._video_path(item), video.rate_hz) as preview,
        ):
            camera = self.camera_of and self.camera_of(video.height, video.width)
            for shown in video:
                check_shape(*shown.rgb_hwc.shape[:2])
                frame = Frame(shown.rgb_hwc, camera, stamp_ns=shown.stamp_ns)
                depth_hw = self.estimator.submit([frame]).result()[0].depth_hw
                name = f'{shown.position:06d}.png'
                write_depth(folder / name, depth_hw, origin)
                earlier.discard(name)
                preview.write(depth_picture(shown.rgb_hwc, depth_hw, depths.add(depth_hw)))
                on_frame(depths.count, video.frame_count)
            for name in earlier:  # of a longer video of that name
                (folder / name).unlink(missing_ok=True)
            self._check_video(item, camera, depths, video.missing(depths.count))
        per_frame_ms = (time.monotonic() - start_s) * 1000 / depths.count
        known_by = 'the camera given' if camera is not None else _UNKNOWN
        said = depths.describe(video.frame_count)
        return f'{item.path}: {said}, {per_frame_ms:.0f} ms each, {known_by}'

    def _check_video(
        self, item: Input, camera: CameraModel | None, depths: VideoDepths, missing: str
    ) -> None:
        """Refuse a video that is not whole, or has no depth.

        Raises:
            DatasetError: It is so.
        """
        if not depths.count:
            msg = f'{item.path} must have a frame that can be decoded, got none'
            raise DatasetError(msg)
        if missing:
            msg = f'{missing}; there is depth of those'
            raise DatasetError(msg)
        self._check_depth(item, camera, is_valid=depths.count > depths.invalid)

    def _origin(self, item: Input) -> dict[str, object]:
        """Return what the depth of an input depends on.

        Raises:
            DatasetError: It is not there any more.
        """
        try:
            about = item.path.stat()
        except OSError as error:
            msg = f'cannot read {item.path}: {error.strerror}'
            raise DatasetError(msg) from error
        return {**self.made_with, 'bytes': about.st_size, 'changed_ns': about.st_mtime_ns}

    def _check_depth(self, item: Input, camera: CameraModel | None, *, is_valid: bool) -> None:
        """Refuse depth without a valid pixel.

        Raises:
            DatasetError: It has none.
        """
        if is_valid:
            return
        settings = self.estimator.settings
        msg = (
            f'{item.path}: no pixel has depth within {settings.min_depth:g} to '
            f'{settings.max_depth:g} m'
        )
        if camera is not None:
            focal_px = camera.focal_at(camera.height, camera.width)
            msg += (
                f'; the camera given has a focal length of {focal_px:.3g} px at {camera.width} x '
                f'{camera.height}: it must be in pixels of this image'
            )
        raise DatasetError(msg)

    def _camera(self, photo: Photo) -> tuple[CameraModel | None, str]:
        """Return the camera of an image, and in words how it is known."""
        height, width = photo.rgb_hwc.shape[:2]
        whole = height * photo.reduction, width * photo.reduction
        if self.camera_of is not None:
            return self.camera_of(*whole).scaled_to(height, width), 'the camera given'
        camera = photo.facts.camera(height, width)
        if camera is None:
            return None, _UNKNOWN
        return camera, f'EXIF says {photo.facts.focal_35mm:g} mm'

    def _target(self, item: Input, suffix: str) -> Path:
        return self.output / item.name.with_name(f'{item.name.name}{suffix}')

    def _preview_path(self, item: Input) -> Path:
        return self._target(item, '.preview.jpg')

    def _video_path(self, item: Input) -> Path:
        return self._target(item, '.preview.mp4')


def _range_text(depth_hw: FloatArray) -> str:
    return f'{np.nanmin(depth_hw):.2f} to {np.nanmax(depth_hw):.2f} m'
