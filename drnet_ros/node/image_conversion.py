"""Images to RGB: our codec for what it knows, cv_bridge for what else OpenCV can hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from sensor_msgs.msg import Image

from drnet_ros.errors import ImageError, SettingsError
from drnet_ros.inference.images.codec import IMAGE_ENCODINGS
from drnet_ros.inference.limits import check_pixels, check_shape
from drnet_ros.messages.reading import decode_image_message

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_ros.inference.arrays import UInt8Array
    from drnet_ros.node.messages import InputMessage

__all__ = ['ImageConverter']

# OpenCV's own types: they say nothing of colours, so cv_bridge does not convert them to any.
_OPENCV_DTYPES = {
    '8U': np.uint8,
    '8S': np.int8,
    '16U': np.uint16,
    '16S': np.int16,
    '32S': np.int32,
    '32F': np.float32,
    '64F': np.float64,
}
_OPENCV_TYPE = re.compile(rf'({"|".join(_OPENCV_DTYPES)})C(\d{{1,3}})')
_INSTALL = 'install it: sudo apt install ros-$ROS_DISTRO-cv-bridge'


class ImageConverter:
    """Converts the images of all cameras, as `image_conversion` says."""

    def __init__(self, mode: str) -> None:
        """Import cv_bridge, where all images go through it.

        Args:
            mode: 'auto', 'native' or 'cv_bridge'.

        Raises:
            SettingsError: If it is 'cv_bridge', and that is not installed or does not work.
        """
        self._mode = mode
        self._bridge: Any = None
        if mode == 'cv_bridge':
            try:
                self._bridge = _cv_bridge()
            except ImportError as error:
                msg = f"image_conversion 'cv_bridge' needs cv_bridge, got: {error}; {_INSTALL}"
                raise SettingsError(msg) from error

    def convert(self, message: InputMessage) -> UInt8Array:
        """Decode an image.

        Args:
            message: The image; compressed ones are decoded by our codec in every mode.

        Returns:
            uint8 (H, W, 3), RGB.

        Raises:
            ImageError: If it is not a usable image.
        """
        if not isinstance(message, Image) or self._mode == 'native':
            return decode_image_message(message)
        if self._mode == 'auto' and message.encoding in IMAGE_ENCODINGS:
            return decode_image_message(message)
        return self._convert_by_bridge(message)

    def _convert_by_bridge(self, message: Image) -> UInt8Array:
        try:
            if self._bridge is None:
                self._bridge = _cv_bridge()
        except ImportError as error:
            msg = (
                f'an image must have one of the encodings {", ".join(IMAGE_ENCODINGS)}, got '
                f'{message.encoding[:64]!r}; cv_bridge may know more, but: {error}; {_INSTALL}'
            )
            raise ImageError(msg, kind='unknown_encoding') from error
        check_pixels(message.height, message.width)
        check_shape(message.height, message.width)
        plain = _OPENCV_TYPE.fullmatch(message.encoding)
        if plain is not None:
            itemsize = np.dtype(_OPENCV_DTYPES[plain[1]]).itemsize
            message = _without_padding(message, message.width * int(plain[2]) * itemsize)
        try:
            pixels = self._bridge.imgmsg_to_cv2(message, 'passthrough' if plain else 'rgb8')
        except Exception as error:  # its versions raise CvBridgeError, KeyError, TypeError, ...
            msg = (
                f'an image must be one that cv_bridge can convert, got encoding '
                f'{message.encoding[:64]!r}: {type(error).__name__}: {error}'
            )
            raise ImageError(msg, kind='cv_bridge') from error
        if plain is None:
            return np.ascontiguousarray(pixels, np.uint8)
        _check_dtype(pixels.dtype, plain[1], message.encoding)
        return _rgb_of(np.asarray(pixels))


def _cv_bridge() -> Any:
    """Return a bridge.

    Raises:
        ImportError: It is not installed, or made for another NumPy.
    """
    try:
        from cv_bridge import CvBridge  # noqa: PLC0415 - a robot may be without it

        return CvBridge()
    except ImportError:
        raise
    except Exception as error:
        raise ImportError(str(error), name='cv_bridge') from error


def _without_padding(message: Image, row_bytes: int) -> Image:
    """Return the image with its rows end to end: a cv_bridge may skew padded ones.

    That of ROS does where the padding is no whole number of pixels, that of PyPI wherever it is.
    """
    size = message.height * message.step
    if message.step <= row_bytes or len(message.data) < size:
        return message
    rows = np.frombuffer(message.data, np.uint8)[:size].reshape(message.height, message.step)
    packed = Image(
        height=message.height,
        width=message.width,
        encoding=message.encoding,
        is_bigendian=message.is_bigendian,
        step=row_bytes,
    )
    packed.data.frombytes(rows[:, :row_bytes].tobytes())
    return packed


def _check_dtype(dtype: np.dtype[Any], depth: str, encoding: str) -> None:
    """Refuse numbers of another width: cv_bridge 1.13 of PyPI takes 16UC for 8UC."""
    expected = np.dtype(_OPENCV_DTYPES[depth])
    if dtype.newbyteorder('=') != expected:
        msg = f'cv_bridge must give {expected} for encoding {encoding}, got {dtype}; {_INSTALL}'
        raise ImageError(msg, kind='cv_bridge')


def _rgb_of(pixels: NDArray[Any]) -> UInt8Array:
    """Return an array of one of OpenCV's types as RGB, its channels being BGR as OpenCV's are."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    codes = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}
    if channels not in codes:
        msg = f'an image must have 1, 3 or 4 channels, got {channels}'
        raise ImageError(msg, kind='unknown_encoding')
    # Integers over their positive range; fractions from 0 to 1, as OpenCV shows them.
    is_integer = np.issubdtype(pixels.dtype, np.integer)
    largest = np.iinfo(pixels.dtype).max if is_integer else 1
    share = np.nan_to_num(pixels.astype(np.float32) / np.float32(largest))
    eight_bit = np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(eight_bit, codes[channels]), np.uint8)
