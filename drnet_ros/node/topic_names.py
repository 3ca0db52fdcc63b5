"""The names that the node may have, before they are remapped; docs/topics.md lists them."""

from __future__ import annotations

from collections.abc import Iterable

from drnet_ros.node.camera import camera_prefix

__all__ = ['names_of']

_OF_CAMERAS = (
    *('image', 'image/compressed', 'camera_info'),
    *('depth/image_rect', 'depth/camera_info', 'depth/image_rect/compressedDepth'),
    *('depth/preview', 'depth/preview/compressed', 'depth/stddev', 'depth/scale'),
    *('points', 'obstacles', 'scan_out', 'image_rect'),
    *('scan', 'range', 'sparse_points', 'sparse_depth/image', 'sparse_depth/camera_info', 'odom'),
)
"""Topics that each camera has, or may have with some parameters."""

_OF_THE_NODE = (
    *('points_merged', '/diagnostics', '/tf', '/tf_static'),
    *('~/save_frame', '~/calibrate_scale', '~/reset_scale'),
)


def names_of(cameras: Iterable[str]) -> list[str]:
    """Return the names of all topics and services that a node may have.

    Args:
        cameras: Its parameter `cameras`.
    """
    of_cameras = [f'{camera_prefix(camera)}{name}' for camera in cameras for name in _OF_CAMERAS]
    return [*of_cameras, *_OF_THE_NODE]
