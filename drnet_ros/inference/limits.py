"""The sizes and numbers that everything is made for: images, parameters, cameras."""

from __future__ import annotations

import numpy as np

from drnet_ros.errors import ImageError

__all__ = [
    'MAX_ASPECT_RATIO',
    'MAX_CAMERAS',
    'MAX_PIXELS',
    'MAX_SIDE',
    'MIN_SIDE',
    'check_image',
    'check_pixels',
    'check_shape',
]

MAX_CAMERAS = 16
"""Most cameras that one node serves."""
MAX_SIDE = 8192
"""Longest side in pixels that a size may be set to."""
MAX_PIXELS = 2**25
"""Largest image that is decoded, 33.5 million pixels: 8K video fits."""
MIN_SIDE = 16
"""Shortest side in pixels of an image that depth is estimated for."""
MAX_ASPECT_RATIO = 8
"""Largest ratio of the sides of such an image: four panoramas of 2:1 side by side fit."""


def check_image(rgb_hwc: object) -> None:
    """Refuse what is no image array, by name.

    Args:
        rgb_hwc: What should be uint8 (H, W, 3), RGB.

    Raises:
        ImageError: kind 'bad_type'.
    """
    if not isinstance(rgb_hwc, np.ndarray):
        got = f'{type(rgb_hwc).__module__}.{type(rgb_hwc).__name__}'.removeprefix('builtins.')
        advice = 'read the file, or convert with numpy.asarray(...)'
    elif rgb_hwc.ndim != 3 or rgb_hwc.shape[2] != 3:
        got = f'shape {rgb_hwc.shape}'
        advice = _channels_advice(rgb_hwc.shape)
    elif rgb_hwc.dtype != np.uint8:
        got = f'dtype {rgb_hwc.dtype}'
        advice = 'scale it to 0..255 and convert with .astype(numpy.uint8)'
    else:
        return
    msg = f'an image must be a numpy array, uint8 (H, W, 3), RGB, got {got}; {advice}'
    raise ImageError(msg, kind='bad_type')


def _channels_advice(shape: tuple[int, ...]) -> str:
    """Return what makes three channels of an array of another shape."""
    if len(shape) == 4:
        return 'give the images of a batch one by one'
    if len(shape) == 3 and shape[0] == 3:
        return 'put the channels last: image.transpose(1, 2, 0)'
    if len(shape) == 3 and shape[2] == 4:
        return 'leave out the fourth channel: image[..., :3]'
    gray = 'gray' if len(shape) == 3 else 'gray[..., None]'
    return f'give three channels, such as numpy.repeat({gray}, 3, axis=2)'


def check_pixels(height: int, width: int) -> None:
    """Refuse empty images and those too large to be decoded.

    Args:
        height: Rows claimed.
        width: Columns claimed.

    Raises:
        ImageError: kind 'zero_size' or 'too_large'.
    """
    if height <= 0 or width <= 0:
        msg = f'an image must have at least one pixel, got {width} x {height}'
        raise ImageError(msg, kind='zero_size')
    if height * width > MAX_PIXELS:
        msg = (
            f'an image must have at most {MAX_PIXELS / 1e6:.1f} megapixels, got '
            f'{width} x {height}: {height * width / 1e6:.1f}; resize it, depth needs no more'
        )
        raise ImageError(msg, kind='too_large')


def check_shape(height: int, width: int) -> None:
    """Refuse images of a shape that no camera has and the network can make nothing of.

    Args:
        height: Rows, positive.
        width: Columns, positive.

    Raises:
        ImageError: kind 'bad_shape', for a side under `MIN_SIDE` or an aspect ratio over
            `MAX_ASPECT_RATIO`.
    """
    short, long = sorted((height, width))
    if short < MIN_SIDE or long > MAX_ASPECT_RATIO * short:
        msg = (
            f'an image must have sides of at least {MIN_SIDE} pixels and an aspect ratio of at '
            f'most {MAX_ASPECT_RATIO}:1, got {width} x {height}; resize or crop it'
        )
        raise ImageError(msg, kind='bad_shape')
