"""Image and camera in, metric depth out: plain numpy, no ROS.

    from drnet_ros.inference import DepthEstimator, Settings

    with DepthEstimator(Settings()) as estimator:
        depth_hw = estimator.estimate(rgb_hwc).depth_hw

Importing this package imports neither PyTorch nor OpenVINO; public names are looked up when they
are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drnet_ros.inference.camera import CameraModel
    from drnet_ros.inference.engines.engine import Engine, Pending
    from drnet_ros.inference.engines.factory import create_engine
    from drnet_ros.inference.estimator import DepthEstimator
    from drnet_ros.inference.frames import DepthFrame, Frame
    from drnet_ros.inference.settings import PARAMETERS, ParameterSpec, Settings
    from drnet_ros.inference.sparse_depth.depth_scale import DepthScale
    from drnet_ros.inference.sparse_depth.odometry_map import OdometryMap
    from drnet_ros.inference.sparse_depth.points import SparseDepth

__all__ = [
    'PARAMETERS',
    'CameraModel',
    'DepthEstimator',
    'DepthFrame',
    'DepthScale',
    'Engine',
    'Frame',
    'OdometryMap',
    'ParameterSpec',
    'Pending',
    'Settings',
    'SparseDepth',
    'create_engine',
]

_HOMES = {
    'camera': ('CameraModel',),
    'engines.engine': ('Engine', 'Pending'),
    'engines.factory': ('create_engine',),
    'estimator': ('DepthEstimator',),
    'frames': ('DepthFrame', 'Frame'),
    'settings': ('PARAMETERS', 'ParameterSpec', 'Settings'),
    'sparse_depth.depth_scale': ('DepthScale',),
    'sparse_depth.odometry_map': ('OdometryMap',),
    'sparse_depth.points': ('SparseDepth',),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a public name from the module it lives in."""
    if name not in _HOME_OF:
        msg = f'module {__name__!r} has no attribute {name!r}'
        raise AttributeError(msg)
    return getattr(import_module(f'{__name__}.{_HOME_OF[name]}'), name)
