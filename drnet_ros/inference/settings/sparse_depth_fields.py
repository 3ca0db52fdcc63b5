"""The parameters of sparse depth; see `fields` for the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from drnet_ros.inference.settings.fields import SettingsFields
from drnet_ros.inference.settings.parameter_spec import ParameterInfo

__all__ = ['SPARSE_DEPTH_SOURCES', 'SparseDepthFields']

SPARSE_DEPTH_SOURCES = ('scan', 'range', 'points', 'depth', 'odometry')
"""Names of the sources of sparse depth, in the order in which they are listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseDepthFields(SettingsFields):
    """The fields that `Settings` has besides those of `SettingsFields`, listed after them."""

    sparse_depth_sources: Annotated[
        tuple[str, ...],
        ParameterInfo(
            group='Sparse depth',
            choices=('', *SPARSE_DEPTH_SOURCES),
            length=(0, len(SPARSE_DEPTH_SOURCES)),
            text="What sets the scale of depth, besides the image: 'scan' (LaserScan on scan), "
            "'range' (Range on range), 'points' (PointCloud2 or PointCloud on sparse_points), "
            "'depth' (Image on sparse_depth/image with sparse_depth/camera_info), and "
            "'odometry' (Odometry on odom). Several are fused. [''] is none.",
        ),
    ] = ('',)
    sparse_depth_extrinsics: Annotated[
        tuple[str, ...],
        ParameterInfo(
            group='Sparse depth',
            length=(0, 64),
            text='How the sensors are mounted, where tf does not say it: '
            "'PARENT CHILD x y z qx qy qz qw' for each transform, the pose of the frame CHILD in "
            "the frame PARENT in metres and as a unit quaternion. They go before tf. [''] is "
            'none.',
        ),
    ] = ('',)
    sparse_depth_fixed_frame: Annotated[
        str,
        ParameterInfo(
            group='Sparse depth',
            text='Frame that stands still while the robot moves. Through it, data of the sources '
            "are moved to the image's stamp. If the source 'odometry' has come, its frame_id is "
            'used instead.',
        ),
    ] = 'odom'
    max_stddev_ratio: Annotated[
        float,
        ParameterInfo(
            group='Sparse depth',
            minimum=0.0,
            maximum=10.0,
            live=True,
            text='A pixel becomes invalid in depth and point cloud if the standard deviation of '
            'its depth divided by the depth is larger. 0.2 is 20 %; 0 is off.',
        ),
    ] = 0.0
