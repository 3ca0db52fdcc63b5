"""Masks of the robot's own body: where a camera sees it, there is no depth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from drnet_ros.errors import ImageError, SettingsError
from drnet_ros.inference.images.rectification import rectified_mask
from drnet_ros.inference.limits import MAX_ASPECT_RATIO, MAX_PIXELS
from drnet_ros.opencv_log import without_warnings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.camera import CameraModel
    from drnet_ros.inference.frames import DepthFrame, Frame
    from drnet_ros.inference.settings import Settings

__all__ = ['Masks', 'drop_masked', 'read_mask']

_BLACK_BELOW = 128
_ASPECT_TOLERANCE = 0.01


class Masks:
    """The masks of all cameras, read from files."""

    def __init__(self, settings: Settings) -> None:
        """Read the files.

        Args:
            settings: `mask` and `cameras` are read.

        Raises:
            SettingsError: If a file is missing, or not a picture that can be a mask.
        """
        self._names = settings.mask, settings.cameras
        self._files = [_signature(path) for path in settings.mask]
        self._is_single = len(settings.cameras) == 1
        self._masks = {
            camera: read_mask(path)
            for camera, path in zip(settings.cameras, settings.mask, strict=False)
            if path
        }
        self._at_size: dict[
            tuple[str, tuple[int, int], CameraModel | None], NDArray[np.bool_]
        ] = {}

    def __bool__(self) -> bool:
        """Whether any camera has a mask."""
        return bool(self._masks)

    def updated(self, settings: Settings) -> Masks:
        """Return the masks of changed settings; these ones if they and their files are the same.

        Args:
            settings: `mask` and `cameras` are read.

        Raises:
            SettingsError: As `__init__`, of files that these masks were not read from.
        """
        if self._names != (settings.mask, settings.cameras):
            return Masks(settings)
        if self._files == [_signature(path) for path in settings.mask]:
            return self
        try:
            return Masks(settings)
        except SettingsError:  # it is being painted, while something else is set
            return self

    def of(self, stream: str) -> NDArray[np.bool_] | None:
        """Return the mask of a camera, bool (H, W), True on the robot; None without a mask.

        Args:
            stream: The camera's name, or its prefix; with a single camera, anything.
        """
        if self._is_single:
            return next(iter(self._masks.values()), None)
        return self._masks.get(stream.rstrip('/'))

    def check(self, stream: str, image_hw: tuple[int, int]) -> None:
        """Refuse an image that the mask of its camera does not fit.

        Args:
            stream: The camera.
            image_hw: Height and width of the image.

        Raises:
            ImageError: kind 'mask_shape'.
        """
        mask = self.of(stream)
        if mask is None:
            return
        (height, width), (rows, columns) = image_hw, mask.shape
        if abs(width * rows / (height * columns) - 1) > _ASPECT_TOLERANCE:
            msg = (
                f'the mask must have the shape of the image, got a mask of {columns} x {rows} for '
                f'an image of {width} x {height}; draw it on an image of this camera'
            )
            raise ImageError(msg, kind='mask_shape')

    def at(
        self, stream: str, depth_hw: tuple[int, int], raw_camera: CameraModel | None = None
    ) -> NDArray[np.bool_] | None:
        """Return the mask of a camera at the size of its depth; the result is shared.

        A pixel of the depth is masked if any pixel of the mask that it covers is.

        Args:
            stream: The camera.
            depth_hw: Height and width of the depth.
            raw_camera: If the image was rectified, the camera before that; then pixels that it
                does not see are masked too, whether there is a mask or not.
        """
        mask = self.of(stream)
        if raw_camera is None and (mask is None or mask.shape == depth_hw):
            return mask
        key = stream, depth_hw, raw_camera
        if key not in self._at_size:
            self._at_size = {at: each for at, each in self._at_size.items() if at[0] != stream}
            if raw_camera is not None:
                raw_hw = raw_camera.height, raw_camera.width
                mask = rectified_mask(None if mask is None else _resized(mask, raw_hw), raw_camera)
            if mask is not None:
                self._at_size[key] = _resized(mask, depth_hw)
        return self._at_size.get(key)

    def drop(self, frame: Frame, result: DepthFrame, point_stride: int) -> DepthFrame:
        """Invalidate what is masked in depth and cloud, in place.

        Args:
            frame: What was submitted.
            result: What came of it; changed.
            point_stride: Every n-th row and column of depth has a point in the cloud.

        Returns:
            The same depth frame.
        """
        rows, columns = result.depth_hw.shape
        mask = self.at(frame.stream, (rows, columns), frame.raw_camera)
        if mask is not None:
            drop_masked(result, mask, point_stride)
        return result


def read_mask(name: str) -> NDArray[np.bool_]:
    """Read a mask.

    Args:
        name: Path of a picture; `~` is the home folder. Black, or darker than mid-grey, is the
            robot.

    Returns:
        bool (H, W), True on the robot.

    Raises:
        SettingsError: If there is no such picture, or nothing or all of it is black.
    """
    try:
        path = Path(name).expanduser()
        # A pipe would keep its reader waiting.
        data = np.frombuffer(path.read_bytes() if path.is_file() else b'', np.uint8)
        with without_warnings():
            picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if len(data) else None
    except (OSError, RuntimeError, ValueError, cv2.error) as error:
        msg = f"mask must be '' or a picture that can be read, got {name!r}: {error}"
        raise SettingsError(msg) from error
    if picture is None or picture.size > MAX_PIXELS:
        found = 'which cannot be read as one' if len(data) else 'where there is none'
        msg = f"mask must be '' or the path of a PNG, got {path}, {found}"
        raise SettingsError(msg)
    short, long = sorted(picture.shape)
    if long > MAX_ASPECT_RATIO * short:
        msg = f'mask must have the shape of the images, got {long}:{short} in {path}'
        raise SettingsError(msg)
    mask: NDArray[np.bool_] = picture < _BLACK_BELOW
    if mask.all() or not mask.any():
        found = 'all' if mask.all() else 'nothing'
        msg = (
            f"mask must be black where the robot's body is and white elsewhere, got {path}, "
            f'of which {found} is black'
        )
        raise SettingsError(msg)
    return mask


def _signature(name: str) -> tuple[int, ...] | None:
    """Return what tells a file from what it was before; None if there is none."""
    try:
        found = Path(name).expanduser().stat()
    except (OSError, RuntimeError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def drop_masked(result: DepthFrame, mask: NDArray[np.bool_], point_stride: int) -> None:
    """Invalidate the robot's body in depth and cloud, in place.

    Args:
        result: The depth frame; changed.
        mask: True on the robot, bool, of the size of the depth.
        point_stride: Every n-th row and column of depth has a point in the cloud.
    """
    result.depth_hw[mask] = np.nan
    if result.points is not None:
        every = slice(None, None, point_stride)
        result.points[..., :3][mask[every, every]] = np.nan


def _resized(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    if mask.shape == size:
        return mask
    # Area means, so that a thin cable is not lost; enlarged, that is nearest neighbours.
    is_smaller = size[0] * size[1] < mask.size
    method = cv2.INTER_AREA if is_smaller else cv2.INTER_NEAREST
    resized = cv2.resize(mask.astype(np.float32), size[::-1], interpolation=method)
    masked: NDArray[np.bool_] = resized > 0
    return masked
