"""Point clouds in a form that a page can hold: thinned out and quantised."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_ros.inference.camera import rays

if TYPE_CHECKING:
    from drnet_offline.replay.gallery import Picture
    from drnet_ros.inference.arrays import FloatArray
    from drnet_ros.inference.camera import CameraModel

__all__ = ['cloud_data']

_MOST_POINTS = 40_000
_FARTHEST_M = 30.0


def cloud_data(picture: Picture, names: list[str]) -> dict[str, Any] | None:
    """Return the clouds of a frame, recorded and estimated.

    Returns:
        Plain JSON: `names`, and for each `points` (base64 of int16 x, y, z in millimetres, in the
        optical frame), `colors` (base64 of uint8 r, g, b) and `spacing` (the angle between
        neighbours, in radians); None without a camera.
    """
    if picture.camera is None:
        return None
    layers = [('recorded', picture.truth_hw), *zip(names, picture.depths, strict=True)]
    clouds = [
        {'name': name, **_quantised(depth, picture, picture.camera)}
        for name, depth in layers
        if depth is not None
    ]
    return {'clouds': clouds}


def _quantised(depth_hw: FloatArray, picture: Picture, camera: CameraModel) -> dict[str, Any]:
    height, width = depth_hw.shape
    stride = max(1, int(np.ceil(np.sqrt(height * width / _MOST_POINTS))))
    every = slice(stride // 2, None, stride)
    depth = depth_hw[every, every]
    directions = rays(camera)[every, every]
    points = np.dstack([directions * depth[..., np.newaxis], depth])
    valid = np.isfinite(points).all(axis=-1) & (np.abs(points).max(axis=-1) < _FARTHEST_M)
    millimetres = np.rint(points[valid] * 1000).astype('<i2')
    colors = picture.rgb_hwc[every, every][valid]
    spacing = stride / np.sqrt(camera.fx * camera.fy)
    return {'points': _text(millimetres), 'colors': _text(colors), 'spacing': float(spacing)}


def _text(array: Any) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
