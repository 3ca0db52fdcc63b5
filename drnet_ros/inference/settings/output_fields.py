"""The parameters of what a robot needs besides depth; see `fields` for the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from drnet_ros.inference.limits import MAX_CAMERAS, MAX_SIDE
from drnet_ros.inference.settings.parameter_spec import ParameterInfo
from drnet_ros.inference.settings.sparse_depth_fields import SparseDepthFields

__all__ = ['OutputFields']


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFields(SparseDepthFields):
    """The fields that `Settings` has besides those of `SparseDepthFields`, listed after them."""

    image_conversion: Annotated[
        str,
        ParameterInfo(
            group='Input',
            choices=('auto', 'native', 'cv_bridge'),
            text="What decodes raw images: 'auto' is the node's own codec for the encodings that "
            "it knows, and cv_bridge, if installed, for every other one; 'native' is the codec "
            "alone, 'cv_bridge' cv_bridge alone.",
        ),
    ] = 'auto'
    scale_factor: Annotated[
        float,
        ParameterInfo(
            group='Depth',
            minimum=0.01,
            maximum=100.0,
            live=True,
            text='Multiply depth by this: the constant error of the scale with your camera, as '
            'the service calibrate_scale measures it.',
        ),
    ] = 1.0
    refine_edges: Annotated[
        bool,
        ParameterInfo(
            group='Depth',
            live=True,
            text='Depth edges follow the edges of the image (a guided filter that needs no '
            'training). Objects get sharper outlines; large patterns on flat surfaces show in '
            'depth a little. For visual odometry compare both: its corners lie at such edges.',
        ),
    ] = True
    outlier_radius: Annotated[
        float,
        ParameterInfo(
            group='Depth',
            minimum=0.0,
            maximum=1.0,
            live=True,
            text='Remove flying pixels by radius: a pixel becomes invalid if fewer than '
            'outlier_min_neighbors of the eight pixels around it are within this fraction of its '
            'depth. As for edge_threshold, the pixels are those of the network. 0.02 is 2 %; 0 is '
            'off.',
        ),
    ] = 0.0
    outlier_min_neighbors: Annotated[
        int,
        ParameterInfo(
            group='Depth',
            minimum=1,
            maximum=8,
            live=True,
            text='How many neighbours outlier_radius asks for. A straight edge leaves five, a '
            'corner three.',
        ),
    ] = 5
    point_voxel: Annotated[
        float,
        ParameterInfo(
            group='Points',
            unit='m',
            minimum=0.0,
            maximum=10.0,
            live=True,
            text='Thin the cloud to one point in each cube of this size. The cloud is then not '
            'organised (height 1) and has valid points alone. 0 is off.',
        ),
    ] = 0.0
    save_folder: Annotated[
        str,
        ParameterInfo(
            group='Node',
            live=True,
            text="Folder that the service save_frame writes to; '' is drnet_frames in ROS_HOME, "
            'or in ~/.ros.',
        ),
    ] = ''
    mask: Annotated[
        tuple[str, ...],
        ParameterInfo(
            group='Robot',
            length=(1, MAX_CAMERAS),
            live=True,
            text="Pictures (PNG) that are black where a camera sees the robot's own body: one for "
            "each of cameras, in their order, '' for none. What is black is invalid in depth, "
            'cloud and scan, and no sparse depth is taken there. A mask of another size is '
            'scaled; its aspect ratio must be that of the image. '
            "[''] is none.",
        ),
    ] = ('',)
    rectify: Annotated[
        bool,
        ParameterInfo(
            group='Robot',
            text='Rectify the images before depth is estimated: P of camera_info becomes the '
            'camera of depth, cloud and depth/camera_info, which has P in K and no distortion. '
            'The rectified image is published as image_rect. Images without camera_info are '
            'dropped. Not for images that are rectified already (image_is_rectified).',
        ),
    ] = False
    scan_frame: Annotated[
        str,
        ParameterInfo(
            group='Scan',
            text="Frame of scan_out, with x forward and z up, such as 'base_link'; it needs tf or "
            'sparse_depth_extrinsics. Points between scan_min_height and scan_max_height in it '
            "count. '' makes the scan of scan_rows rows, in the frame of the camera: the "
            "frame_id of the image without '_optical'.",
        ),
    ] = ''
    scan_rows: Annotated[
        int,
        ParameterInfo(
            group='Scan',
            unit='px',
            minimum=1,
            maximum=MAX_SIDE,
            live=True,
            text='Rows of the depth image, around the optical axis, that scan_out is made of '
            "where scan_frame is ''. The camera must be level.",
        ),
    ] = 10
    scan_min_height: Annotated[
        float,
        ParameterInfo(
            group='Scan',
            unit='m',
            minimum=-100.0,
            maximum=100.0,
            live=True,
            text='Points lower than this in scan_frame do not count for scan_out: the floor.',
        ),
    ] = 0.1
    scan_max_height: Annotated[
        float,
        ParameterInfo(
            group='Scan',
            unit='m',
            minimum=-100.0,
            maximum=100.0,
            live=True,
            text='Points higher than this in scan_frame do not count for scan_out: what the robot '
            'passes under.',
        ),
    ] = 1.0
    scan_max_range: Annotated[
        float,
        ParameterInfo(
            group='Scan',
            unit='m',
            minimum=0.0,
            maximum=80.0,
            live=True,
            text='How far scan_out reaches, at most max_depth; 0 is max_depth. A beam that sees '
            'nothing within it is +inf.',
        ),
    ] = 0.0
    ground_frame: Annotated[
        str,
        ParameterInfo(
            group='Ground',
            text="Frame with z up that stands on the floor, such as 'base_footprint'; it needs tf "
            'or sparse_depth_extrinsics. The topic obstacles then has the cloud without the '
            "floor. '' is off.",
        ),
    ] = ''
    ground_height: Annotated[
        float,
        ParameterInfo(
            group='Ground',
            unit='m',
            minimum=-100.0,
            maximum=100.0,
            live=True,
            text='Height of the floor in ground_frame; negative if the frame is above the floor, '
            'as base_link mostly is.',
        ),
    ] = 0.0
    ground_tolerance: Annotated[
        float,
        ParameterInfo(
            group='Ground',
            unit='m',
            minimum=0.005,
            maximum=1.0,
            live=True,
            text='Points that are at most so far above or below the floor belong to it. Lower '
            'obstacles disappear with it.',
        ),
    ] = 0.08
    ground_max_slope: Annotated[
        float,
        ParameterInfo(
            group='Ground',
            unit='deg',
            minimum=0.0,
            maximum=30.0,
            live=True,
            text='A plane that is steeper in ground_frame is not the floor: all its points stay '
            'in obstacles.',
        ),
    ] = 8.0
    merged_frame: Annotated[
        str,
        ParameterInfo(
            group='Several cameras',
            text="Frame of the robot, such as 'base_link', in which the clouds of all cameras are "
            'published as one, on points_merged; it needs tf or sparse_depth_extrinsics. '
            "'' is off.",
        ),
    ] = ''
    sync_slop: Annotated[
        float,
        ParameterInfo(
            group='Several cameras',
            unit='s',
            minimum=0.0,
            maximum=10.0,
            live=True,
            text='Clouds of several cameras become one if their stamps are at most so far apart.',
        ),
    ] = 0.05
