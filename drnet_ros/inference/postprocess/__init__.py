"""What is done to the network's depth before it goes out."""

from __future__ import annotations

from drnet_ros.inference.postprocess.processor import (
    Geometry,
    PostProcessor,
    build_cloud,
    ray_camera_of,
    rescale,
)

__all__ = ['Geometry', 'PostProcessor', 'build_cloud', 'ray_camera_of', 'rescale']
