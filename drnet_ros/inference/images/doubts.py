"""What speaks against the encoding or the intrinsics of an image, though both can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_ros.inference.images.layouts import IMAGE_LAYOUTS

if TYPE_CHECKING:
    from drnet_ros.inference.camera import CameraModel

__all__ = ['REGION_DOUBT', 'ROWS_DOUBT', 'has_whole_size', 'rows_doubt', 'stretch_doubt']

ROWS_DOUBT = 'rows of images have the bytes of another encoding than the one that is named'
"""What `rows_doubt` returns in words that are the same for all images."""

REGION_DOUBT = (
    'camera_info has an ROI, and images have the size of the whole sensor: if they are not a part '
    'of it that was enlarged, leave the ROI at zeros; otherwise scale and cloud are wrong'
)
"""What is said of images for which `has_whole_size` is true."""

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


def has_whole_size(info: Any, image_hw: tuple[int, int]) -> bool:
    """Return whether an image has the size of a whole sensor that its camera_info cuts.

    Args:
        info: Its sensor_msgs/CameraInfo.
        image_hw: Its rows and columns.
    """
    roi, by_y, by_x = info.roi, max(info.binning_y, 1), max(info.binning_x, 1)
    part_hw, whole_hw = (
        (rows // by_y, columns // by_x)
        for rows, columns in ((roi.height, roi.width), (info.height, info.width))
    )
    return bool(roi.width and roi.height and image_hw == whole_hw != part_hw)
