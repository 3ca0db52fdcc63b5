"""Every parameter, defined once: type, default, limits and text.

A new parameter is a field here. `config/*.yaml`, `docs/parameters.md`, the ROS declarations and
the offline commands follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from drnet_ros.inference.limits import MAX_CAMERAS, MAX_SIDE
from drnet_ros.inference.settings.parameter_spec import ParameterInfo
from drnet_ros.network.config import BACKBONE_NAMES, CORRECTION_KERNELS

__all__ = ['SettingsFields', 'Size']

Size: TypeAlias = tuple[int, int]
"""Height and width in pixels, in this order; (0, 0) stands for 'as given elsewhere'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFields:
    """The fields of `Settings`, which checks them; each carries its `ParameterInfo`."""

    weights: Annotated[
        str,
        ParameterInfo(
            group='Network',
            text="Weights file: 'embedded' for the weights that come with the package, or the "
            'path of a .safetensors file.',
        ),
    ] = 'embedded'
    backbone: Annotated[
        str,
        ParameterInfo(
            group='Network',
            choices=('auto', *BACKBONE_NAMES),
            text="Backbone that the weights must have. 'auto' accepts that of the weights file.",
        ),
    ] = 'auto'
    guided_filter: Annotated[
        bool,
        ParameterInfo(
            group='Network',
            text='Whether the weights must be of a network with guided-filter upsampling. With '
            "backbone 'auto', false accepts both kinds.",
        ),
    ] = False
    correction_kernel: Annotated[
        int,
        ParameterInfo(
            group='Network',
            choices=(0, *CORRECTION_KERNELS),
            unit='px',
            text='Kernel size of the correction convolutions that the weights must have. 0 '
            'accepts that of the weights file.',
        ),
    ] = 0

    engine: Annotated[
        str,
        ParameterInfo(
            group='Engine',
            choices=('auto', 'torch', 'openvino', 'onnxruntime', 'tensorrt'),
            text="Library that runs the network. 'auto' is torch if a CUDA GPU is usable, else "
            'openvino.',
        ),
    ] = 'auto'
    device: Annotated[
        str,
        ParameterInfo(
            group='Engine',
            pattern=r'auto|cpu|cuda(:\d{1,3})?',
            pattern_text="auto, cpu, cuda or cuda:N, where N is the GPU's number",
            text="Device that runs the network: 'auto', 'cpu', 'cuda', or 'cuda:N' for GPU "
            'number N.',
        ),
    ] = 'auto'
    precision: Annotated[
        str,
        ParameterInfo(
            group='Engine',
            choices=('auto', 'fp32', 'bf16', 'fp16'),
            text="Arithmetic of the network. 'auto' is the fastest that the device supports "
            'natively and that keeps the accuracy.',
        ),
    ] = 'auto'
    threads: Annotated[
        int,
        ParameterInfo(
            group='Engine',
            minimum=0,
            maximum=256,
            text='CPU threads of the network; 0 is one for each core that the process may use.',
        ),
    ] = 0
    input_size: Annotated[
        Size,
        ParameterInfo(
            group='Engine',
            unit='px',
            minimum=0,
            maximum=MAX_SIDE,
            elements='[height, width]',
            length=(2, 2),
            text="Size of the network's input [height, width]. The image is resized to about "
            'this area; its aspect ratio is kept and both sides are rounded to multiples of '
            '32. [0, 0] is the training size of the weights; another size changes the scale '
            'of the depth.',
        ),
    ] = (0, 0)

    cameras: Annotated[
        tuple[str, ...],
        ParameterInfo(
            group='Input',
            length=(1, MAX_CAMERAS),
            pattern=r'|[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*',
            pattern_text='names of letters, digits and _ that start with no digit, such as front '
            "or left/wide, or '' for none",
            elements=f'1 to {MAX_CAMERAS} names',
            text="Topic prefixes, one for each camera. [''] is one camera without a prefix. "
            'Frames that wait at the same time share one forward pass.',
        ),
    ] = ('',)
    image_transport: Annotated[
        str,
        ParameterInfo(
            group='Input',
            choices=('raw', 'compressed'),
            text="Image topic to subscribe to: 'raw' is image (sensor_msgs/Image), 'compressed' "
            'is image/compressed (sensor_msgs/CompressedImage).',
        ),
    ] = 'raw'
    input_reliability: Annotated[
        str,
        ParameterInfo(
            group='Input',
            choices=('auto', 'reliable', 'best_effort'),
            text="Reliability of the image subscription. 'auto' is reliable if every publisher "
            'of the topic is, else best effort.',
        ),
    ] = 'auto'
    max_rate: Annotated[
        float,
        ParameterInfo(
            group='Input',
            unit='Hz',
            minimum=0.0,
            maximum=1000.0,
            live=True,
            text='Most images per second of each camera that depth is computed of, chosen evenly '
            'by their stamps; 0 is every image.',
        ),
    ] = 0.0
    image_is_rectified: Annotated[
        bool,
        ParameterInfo(
            group='Input',
            live=True,
            text='Whether the images are rectified (an image_rect topic). If true, P of '
            'camera_info is used instead of K and D, and depth/camera_info has P in K and '
            'no distortion.',
        ),
    ] = False

    scale_by_focal_length: Annotated[
        bool,
        ParameterInfo(
            group='Depth',
            live=True,
            text='Multiply depth by the focal length of the camera divided by that of the '
            'training camera, both at network size. Without this, depth is metric on the '
            'training camera only.',
        ),
    ] = True
    output_size: Annotated[
        Size,
        ParameterInfo(
            group='Depth',
            unit='px',
            minimum=0,
            maximum=MAX_SIDE,
            elements='[height, width]',
            length=(2, 2),
            live=True,
            text='Size of the depth image [height, width]. K and P of depth/camera_info are '
            'scaled with it. [0, 0] is the size of the image.',
        ),
    ] = (0, 0)
    depth_encoding: Annotated[
        str,
        ParameterInfo(
            group='Depth',
            choices=('32FC1', '16UC1'),
            live=True,
            text="'32FC1' is metres with NaN where invalid, '16UC1' is millimetres with 0 where "
            'invalid.',
        ),
    ] = '32FC1'
    min_depth: Annotated[
        float,
        ParameterInfo(
            group='Depth',
            unit='m',
            minimum=0.001,
            maximum=80.0,
            live=True,
            text='Depth nearer than this is invalid.',
        ),
    ] = 0.1
    max_depth: Annotated[
        float,
        ParameterInfo(
            group='Depth',
            unit='m',
            minimum=0.001,
            maximum=80.0,
            live=True,
            text='Depth farther than this is invalid.',
        ),
    ] = 10.0
    edge_threshold: Annotated[
        float,
        ParameterInfo(
            group='Depth',
            minimum=0.0,
            maximum=10.0,
            live=True,
            text='Remove flying pixels at the edges of objects: a pixel becomes invalid if depth '
            'jumps to a neighbouring pixel by more than this fraction of the nearer depth. '
            'The pixels are those of the network, so an edge covers more pixels of a larger '
            'depth image. 0.1 is a jump of 10 %; 0 is off.',
        ),
    ] = 0.0

    temporal_filter: Annotated[
        float,
        ParameterInfo(
            group='Depth',
            unit='s',
            minimum=0.0,
            maximum=10.0,
            live=True,
            text='Time constant of a filter that reduces the flicker of the scale from frame to '
            'frame. A change that the motion of the image explains passes at once, any '
            'other change with this time constant. Useful values are 0.2 to 1; 0 is off.',
        ),
    ] = 0.0

    points: Annotated[
        bool, ParameterInfo(group='Points', live=True, text='Publish the point cloud.')
    ] = True
    point_stride: Annotated[
        int,
        ParameterInfo(
            group='Points',
            unit='px',
            minimum=1,
            maximum=64,
            live=True,
            text='Use every n-th row and column of the depth image for the point cloud.',
        ),
    ] = 1
    point_color: Annotated[
        bool,
        ParameterInfo(group='Points', live=True, text='Give the points the colour of the image.'),
    ] = True
    points_max_rate: Annotated[
        float,
        ParameterInfo(
            group='Points',
            unit='Hz',
            minimum=0.0,
            maximum=1000.0,
            live=True,
            text='Most point clouds per second of each camera; 0 is one for each depth image.',
        ),
    ] = 0.0

    lazy: Annotated[
        bool,
        ParameterInfo(
            group='Node',
            live=True,
            text='Compute outputs only while something subscribes to them.',
        ),
    ] = True
    autostart: Annotated[
        bool,
        ParameterInfo(
            group='Node',
            text='Configure and activate the lifecycle node at the start, without waiting for a '
            'lifecycle command.',
        ),
    ] = True
