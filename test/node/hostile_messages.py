"""Malformed, lying and hostile messages from a seed, as no camera sends them and a fuzzer does."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from array import array
from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

import cv2
import numpy as np
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

__all__ = ['Hostile', 'png_bomb']

KindT = TypeVar('KindT')

ENCODINGS = (
    *('rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8', 'mono16', '8UC1', '8UC3'),
    *('bayer_rggb8', 'bayer_bggr8', 'bayer_gbrg8', 'bayer_grbg8', 'bayer_rggb16', 'bayer_grbg16'),
    *('yuv422', 'yuv422_yuy2', 'uyvy', 'yuyv', 'nv21', 'nv24'),
    *('16UC1', '32FC1', '64FC4'),
)
NAMES = (
    '',
    'x' * 100_000,
    'rgb8\0',
    '../../etc/passwd',
    '%s%n{0}',
    'rgb8 ',
    'RGB8',
    '\u202e8bgr',
    '\n',
)
EXTREMES = (0, 1, 15, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)
NUMBERS = (float('nan'), float('inf'), -float('inf'), 0.0, -1.0, 1e308, 5e-324)


class Hostile:
    """Makes messages; the same seed makes the same ones.

    Most are broken in one way or several. Some are whole, so that work goes on in between.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - repeatable, not secret

    def image(self) -> Image | bytes:
        """An Image, or the bytes of something that is none."""
        kinds: tuple[Callable[[], Image | bytes], ...] = (
            self._whole,
            self._wrong_step,
            self._wrong_length,
            self._claims,
            self._unknown_encoding,
            self._any_encoding,
            self._extreme_shape,
            self._bad_bytes,
        )
        return self._one(kinds)()

    def compressed(self) -> CompressedImage:
        """A CompressedImage."""
        kinds: tuple[Callable[[], bytes], ...] = (
            lambda: _encoded('.jpg'),
            lambda: _encoded('.png'),
            self._noise,
            lambda: self._cut(_encoded(self._one(('.jpg', '.png')))),
            lambda: self._flipped(_encoded(self._one(('.jpg', '.png')))),
            self._lying_jpeg,
            lambda: png_bomb(
                *self._one(((20_000, 20_000), (2**31 - 1, 2**31 - 1), (8, 5_000_000)))
            ),
            lambda: self._one(
                (b'', b'GIF89a', b'\xff\xd8', b'\xff\xd8\xff\xd9', b'\x89PNG\r\n\x1a\n')
            ),
        )
        message = CompressedImage(
            header=self._header(), format=self._one(('jpeg', 'png', 'tiff', *NAMES))
        )
        message.data = array('B', self._one(kinds)())
        return message

    @staticmethod
    def good_compressed(stamp: Header) -> CompressedImage:
        """A JPEG as a camera sends it."""
        message = CompressedImage(header=stamp, format='jpeg')
        message.data = array('B', _encoded('.jpg'))
        return message

    def info(self) -> CameraInfo:
        """A CameraInfo."""
        width, height = self._one(((64, 48), (128, 96), (0, 0), (2**32 - 1, 1)))
        focal = self._one((50.0, 50.0, *NUMBERS))
        message = CameraInfo(
            header=self._header(),
            width=width,
            height=height,
            distortion_model=self._one(
                ('plumb_bob', 'rational_polynomial', 'equidistant', '', *NAMES)
            ),
            k=[focal, 0.0, 31.5, 0.0, self._one((50.0, *NUMBERS)), 23.5, 0.0, 0.0, 1.0],
        )
        message.d = [self._one((0.1, *NUMBERS)) for _ in range(self._one((0, 4, 5, 8, 3, 1000)))]
        message.binning_x = self._one((0, 1, 2, 2**32 - 1))
        message.roi.x_offset = self._one((0, 0, *EXTREMES))
        message.roi.width = self._one((0, 0, *EXTREMES))
        return message

    def _one(self, choices: tuple[KindT, ...] | list[KindT]) -> KindT:
        return self._random.choice(choices)

    def _header(self) -> Header:
        header = Header(frame_id=self._one(('optical', *NAMES)))
        header.stamp.sec = self._one((0, 1, -1, -(2**31), 2**31 - 1))
        header.stamp.nanosec = self._one((0, 999_999_999, 2**32 - 1))
        return header

    def _whole(self) -> Image:
        scale = self._one((1, 2, 3))
        width, height = 64 * scale, 48 * scale
        message = Image(
            header=self._header(), height=height, width=width, encoding='rgb8', step=3 * width
        )
        message.data = array('B', self._random.randbytes(3 * width * height))
        return message

    def _wrong_step(self) -> Image:
        message = self._whole()
        message.step = self._one((*EXTREMES, message.step - 1, message.step + 1))
        return message

    def _wrong_length(self) -> Image:
        message = self._whole()
        length = self._one((0, 1, len(message.data) - 1, len(message.data) + 1, 300_000))
        message.data = array('B', self._random.randbytes(length))
        return message

    def _claims(self) -> Image:
        message = self._whole()
        message.width, message.height = self._one(EXTREMES), self._one(EXTREMES)
        message.step = self._one((message.step, *EXTREMES))
        return message

    def _unknown_encoding(self) -> Image:
        message = self._whole()
        message.encoding = self._one(NAMES)
        return message

    def _any_encoding(self) -> Image:
        """An encoding that goes with the step or does not; odd sides and any byte order too."""
        message = self._whole()
        message.encoding = self._one(ENCODINGS)
        message.is_bigendian = self._one((0, 1, 255))
        message.step = message.width * self._one((1, 2, 3, 4, 6, 8))
        message.height -= self._one((0, 1))
        message.data = array('B', self._random.randbytes(message.step * message.height))
        return message

    def _extreme_shape(self) -> Image:
        width, height = self._one(((1, 1), (1, 5000), (5000, 1), (16, 200), (3000, 17)))
        message = Image(header=self._header(), encoding='mono8', step=width)
        message.width, message.height = width, height
        message.data = array('B', bytes(width * height))
        return message

    def _bad_bytes(self) -> bytes:
        """A serialized Image cut or changed at some places: the middleware has to bear it."""
        return self._one((self._cut, self._flipped))(serialize_message(self._whole()))

    def _noise(self) -> bytes:
        return self._random.randbytes(self._random.randrange(1, 5000))

    def _cut(self, data: bytes) -> bytes:
        return data[: self._random.randrange(len(data))]

    def _flipped(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self._random.randrange(1, 20)):
            # Headers are what parsers stumble over.
            end = self._one((64, len(changed)))
            changed[self._random.randrange(min(end, len(changed)))] = self._random.randrange(256)
        return bytes(changed)

    def _lying_jpeg(self) -> bytes:
        """A JPEG whose frame header claims other sides than it has."""
        data = bytearray(_encoded('.jpg'))
        start = data.find(b'\xff\xc0')
        sides = struct.pack('>HH', self._one((0, 1, 48, 65535)), self._one((0, 1, 64, 65535)))
        data[start + 5 : start + 9] = sides
        return bytes(data)


@functools.cache
def png_bomb(width: int, height: int) -> bytes:
    """A small PNG that claims, and for moderate sides has, very many pixels."""
    rows = zlib.compress(bytes(min(20_000_000, height * (width + 1))), 9)
    file = io.BytesIO()
    file.write(b'\x89PNG\r\n\x1a\n')
    header = struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0)
    for name, data in ((b'IHDR', header), (b'IDAT', rows), (b'IEND', b'')):
        file.write(struct.pack('>I', len(data)) + name + data)
        file.write(struct.pack('>I', zlib.crc32(name + data)))
    return file.getvalue()


@functools.cache
def _encoded(extension: str) -> bytes:
    rows, columns = np.mgrid[0:48, 0:64].astype(np.uint8)
    _, data = cv2.imencode(extension, np.dstack((rows, columns, rows + columns)))
    return bytes(data.tobytes())


def serialized(message: Any) -> bytes:
    """The bytes that go over DDS."""
    return message if isinstance(message, bytes) else bytes(serialize_message(message))
