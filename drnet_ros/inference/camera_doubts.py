"""Intrinsics that can be read and can hardly be right."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drnet_ros.inference.camera import CameraModel

__all__ = ['stretch_doubt']

# Pixels of old video standards are up to 1.46 times as wide as they are high.
_MOST_STRETCHED = 1.5


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
