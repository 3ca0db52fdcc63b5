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
            text="Weights file (.safetensors): 'embedded' for the one that comes with the "
            'package, or a path.',
        ),
    ] = 'embedded'
    backbone: Annotated[
        str,
        ParameterInfo(
            group='Network',
            choices=('auto', *BACKBONE_NAMES),
            text="Backbone that the weights must have; 'auto' takes whatever network the "
            'weights hold.',
        ),
    ] = 'auto'
    guided_filter: Annotated[
        bool,
        ParameterInfo(
            group='Network',
            text='Whether the weights must be of a network with guided-filter upsampling; with'
            " backbone 'auto', false accepts both.",
        ),
    ] = False
    correction_kernel: Annotated[
        int,
        ParameterInfo(
            group='Network',
            choices=(0, *CORRECTION_KERNELS),
            unit='px',
            text='Side of the correction convolution that the weights must have; 0 takes '
            'whatever the weights hold.',
        ),
    ] = 0

    engine: Annotated[
        str,
        ParameterInfo(
            group='Engine',
            choices=('auto', 'torch', 'openvino'),
            text="What runs the network; 'auto' is torch where CUDA is usable, else openvino.",
        ),
    ] = 'auto'
    device: Annotated[
        str,
        ParameterInfo(
            group='Engine',
            pattern=r'auto|cpu|cuda(:\d{1,3})?',
            text="Where it runs: 'auto', 'cpu', 'cuda' or 'cuda:N'.",
        ),
    ] = 'auto'
    precision: Annotated[
        str,
        ParameterInfo(
            group='Engine',
            choices=('auto', 'fp32', 'bf16', 'fp16'),
            text="Arithmetic of the network; 'auto' is the fastest that the device computes "
            'natively and that keeps the accuracy.',
        ),
    ] = 'auto'
    input_size: Annotated[
        Size,
        ParameterInfo(
            group='Engine',
            unit='px',
            minimum=0,
            maximum=MAX_SIDE,
            length=(2, 2),
            text='Network size [height, width]: the image is resized to about this area, its '
            'aspect ratio kept and sides rounded to multiples of 32. [0, 0] is the size '
            'that the weights were trained at.',
        ),
    ] = (0, 0)

    cameras: Annotated[
        tuple[str, ...],
        ParameterInfo(
            group='Input',
            length=(1, MAX_CAMERAS),
            pattern=r'|[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*',
            text="Prefixes of the topics, one for each camera; [''] is one camera without a "
            'prefix. Frames that wait at the same time share one forward pass.',
        ),
    ] = ('',)
    image_transport: Annotated[
        str,
        ParameterInfo(
            group='Input',
            choices=('raw', 'compressed'),
            text="Which image topic to read: 'raw' is image, 'compressed' is image/compressed.",
        ),
    ] = 'raw'
    input_reliability: Annotated[
        str,
        ParameterInfo(
            group='Input',
            choices=('auto', 'reliable', 'best_effort'),
            text="Reliability of the image subscription; 'auto' is reliable where every "
            'publisher of the topic offers it, else best effort.',
        ),
    ] = 'auto'

    image_is_rectified: Annotated[
        bool,
        ParameterInfo(
            group='Input',
            live=True,
            text='The images are rectified already (an image_rect topic): P of camera_info '
            'applies to them instead of K and D, and depth/camera_info says so in K as well.',
        ),
    ] = False

    scale_by_focal_length: Annotated[
        bool,
        ParameterInfo(
            group='Depth',
            live=True,
            text='Multiply depth by the ratio of the focal length of the camera to that of the'
            ' training camera, both in pixels at network size, so that it stays metric on'
            ' another camera.',
        ),
    ] = True
    output_size: Annotated[
        Size,
        ParameterInfo(
            group='Depth',
            unit='px',
            minimum=0,
            maximum=MAX_SIDE,
            length=(2, 2),
            live=True,
            text='Depth size [height, width]; K and P of depth/camera_info are scaled with it.'
            ' [0, 0] is the size of the image.',
        ),
    ] = (0, 0)
    depth_encoding: Annotated[
        str,
        ParameterInfo(
            group='Depth',
            choices=('32FC1', '16UC1'),
            live=True,
            text="'32FC1' is metres with NaN where invalid, '16UC1' millimetres with 0 where "
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
            text='Nearer depth is invalid.',
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
            text='Farther depth is invalid.',
        ),
    ] = 10.0
    edge_threshold: Annotated[
        float,
        ParameterInfo(
            group='Depth',
            minimum=0.0,
            maximum=10.0,
            live=True,
            text='Make pixels invalid where depth jumps by more than this fraction of the nearer '
            'one from one pixel to the next: flying pixels at the edges of things. The pixels are '
            "the network's: in a larger depth image an edge is spread over more. 0 is off.",
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
            text='Steady the scale of depth from frame to frame: changes that the motion of the '
            'image does not explain come through with this time constant. For odometry, 0.5 to '
            '2. 0 is off.',
        ),
    ] = 0.0

    points: Annotated[
        bool, ParameterInfo(group='Points', live=True, text='Whether to publish the point cloud.')
    ] = True
    point_stride: Annotated[
        int,
        ParameterInfo(
            group='Points',
            unit='px',
            minimum=1,
            maximum=64,
            live=True,
            text='Keep every n-th row and column of the depth image as points.',
        ),
    ] = 1
    point_color: Annotated[
        bool,
        ParameterInfo(
            group='Points', live=True, text='Whether points carry the color of the image.'
        ),
    ] = True

    lazy: Annotated[
        bool,
        ParameterInfo(
            group='Node', live=True, text='Do no work while nobody subscribes to an output.'
        ),
    ] = True
    autostart: Annotated[
        bool,
        ParameterInfo(
            group='Node', text='Configure and activate the lifecycle node by itself at start.'
        ),
    ] = True
