"""Point clouds in a form that a page can hold: thinned out and quantised."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_ros.inference.camera import rays

if TYPE_CHECKING:
    from drnet_offline.replay.gallery import Picture
    from drnet_ros.inference.arrays import FloatArray, UInt8Array
    from drnet_ros.inference.camera import CameraModel

__all__ = ['cloud_data', 'cloud_of_points']

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


def cloud_of_points(points_hwc: FloatArray, name: str) -> dict[str, Any]:
    """Return an organised cloud, such as the node publishes it, as `cloud_data` does.

    Args:
        points_hwc: float32 (H, W, 4): x, y, z in metres in the optical frame, and the packed
            colour; NaN where invalid.
        name: What it is called.
    """
    every = _every(*points_hwc.shape[:2])
    points = points_hwc[every, every]
    with np.errstate(invalid='ignore'):
        bearings = points[..., 0] / points[..., 2]
        steps = np.abs(np.diff(bearings, axis=1))
    steps = steps[np.isfinite(steps)]
    packed = np.ascontiguousarray(points[..., 3]).view(np.uint32)
    colours = np.dstack([packed >> shift & 0xFF for shift in (16, 8, 0)]).astype(np.uint8)
    cloud = _encoded(points[..., :3], colours, float(np.median(steps)) if steps.size else 0.0)
    return {'clouds': [{'name': name, **cloud}]}


def _quantised(depth_hw: FloatArray, picture: Picture, camera: CameraModel) -> dict[str, Any]:
    every = _every(*depth_hw.shape)
    depth = depth_hw[every, every]
    points = np.dstack([rays(camera)[every, every] * depth[..., np.newaxis], depth])
    spacing = every.step / np.sqrt(camera.fx * camera.fy)
    return _encoded(points, picture.rgb_hwc[every, every], float(spacing))


def _every(height: int, width: int) -> slice:
    stride = max(1, int(np.ceil(np.sqrt(height * width / _MOST_POINTS))))
    return slice(stride // 2, None, stride)


def _encoded(points: FloatArray, colours: UInt8Array, spacing: float) -> dict[str, Any]:
    valid = np.isfinite(points).all(axis=-1) & (np.abs(points).max(axis=-1) < _FARTHEST_M)
    millimetres = np.rint(points[valid] * 1000).astype('<i2')
    return {'points': _text(millimetres), 'colors': _text(colours[valid]), 'spacing': spacing}


def _text(array: Any) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
