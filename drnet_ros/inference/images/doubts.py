"""What speaks against the encoding or the intrinsics of an image, though both can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_ros.inference.images.layouts import IMAGE_LAYOUTS

if TYPE_CHECKING:
    from drnet_ros.inference.camera import CameraModel

__all__ = ['ROWS_DOUBT', 'rows_doubt', 'stretch_doubt']

ROWS_DOUBT = 'rows of images have the bytes of another encoding than the one that is named'
"""What `rows_doubt` returns in words that are the same for all images."""

# A half of a picture of two halves side by side has this many times the bytes of its rows.
_HALVES = 2
# Pixels of old video standards are up to 1.46 times as wide as they are high.
_MOST_STRETCHED = 1.5


def rows_doubt(message: Any) -> str:
    """Return why the encoding of an image may be another one than its message says.

    Padding after a row makes it a multiple of a power of two. Rows of a whole number of bytes for
    each pixel, but more than the encoding has, are those of another encoding: mono8 over the
    pixels of rgb8 shows a third of the view, at the wrong scale.

    Args:
        message: A sensor_msgs/Image or sensor_msgs/CompressedImage that can be decoded.

    Returns:
        One line, '' if nothing speaks for it.
    """
    layout = IMAGE_LAYOUTS.get(getattr(message, 'encoding', ''))
    if layout is None:
        return ''
    step, width = int(message.step), int(message.width)
    pixel_bytes = layout.channels * np.dtype(layout.dtype).itemsize
    is_whole = step % width == 0 and (step & (step - 1)) != 0
    if not is_whole or step // width in {pixel_bytes, _HALVES * pixel_bytes}:
        return ''
    return (
        f'rows of images have {step // width} bytes for each pixel, and {message.encoding} has '
        f'{pixel_bytes}: if the encoding is another one, have the driver name it; otherwise depth '
        'is wrong'
    )


def stretch_doubt(camera: CameraModel) -> str:
    """Return why the focal lengths of a camera may be wrong, as if only one of them was scaled.

    Args:
        camera: The camera.

    Returns:
        One line, '' if they are alike.
    """
    ratio = max(camera.fx / camera.fy, camera.fy / camera.fx)
    if ratio <= _MOST_STRETCHED:
        return ''
    return (
        f'the focal lengths fx and fy, {camera.fx:.4g} and {camera.fy:.4g} px, differ by a factor '
        f'of {ratio:.2g}: both must be of images of this size; otherwise the scale is wrong'
    )
