"""The parameters that say what runs and what it runs on: the first half of `Settings`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from drnet_ros.inference.parameter_spec import About
from drnet_ros.network.config import BACKBONE_NAMES, CORRECTION_KERNELS

__all__ = ['MAX_CAMERAS', 'MAX_SIDE', 'EngineSettings', 'Size']

Size: TypeAlias = tuple[int, int]
"""Height and width in pixels, in this order; (0, 0) stands for 'as given elsewhere'."""

MAX_CAMERAS = 16
MAX_SIDE = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Network, engine and input; `Settings` adds the rest, and checks all of it."""

    weights: Annotated[
        str,
        About(
            group='Network',
            text="Weights file (.safetensors): 'embedded' for the one that comes with the "
            'package, or a path.',
        ),
    ] = 'embedded'
    backbone: Annotated[
        str,
        About(
            group='Network',
            choices=('auto', *BACKBONE_NAMES),
            text="Backbone that the weights must have; 'auto' takes whatever network the "
            'weights hold.',
        ),
    ] = 'auto'
    guided_filter: Annotated[
        bool,
        About(
            group='Network',
            text='Whether the weights must be of a network with guided-filter upsampling; with'
            " backbone 'auto', false accepts both.",
        ),
    ] = False
    correction_kernel: Annotated[
        int,
        About(
            group='Network',
            choices=(0, *CORRECTION_KERNELS),
            unit='px',
            text='Side of the correction convolution that the weights must have; 0 takes '
            'whatever the weights hold.',
        ),
    ] = 0

    engine: Annotated[
        str,
        About(
            group='Engine',
            choices=('auto', 'torch', 'openvino'),
            text="What runs the network; 'auto' is torch where CUDA is usable, else openvino.",
        ),
    ] = 'auto'
    device: Annotated[
        str,
        About(
            group='Engine',
            pattern=r'auto|cpu|cuda(:\d{1,3})?',
            text="Where it runs: 'auto', 'cpu', 'cuda' or 'cuda:N'.",
        ),
    ] = 'auto'
    precision: Annotated[
        str,
        About(
            group='Engine',
            choices=('auto', 'fp32', 'bf16', 'fp16'),
            text="Arithmetic of the network; 'auto' is the fastest that the device computes "
            'natively and that keeps the accuracy.',
        ),
    ] = 'auto'
    input_size: Annotated[
        Size,
        About(
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
        About(
            group='Input',
            length=(1, MAX_CAMERAS),
            pattern=r'|[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*',
            text="Prefixes of the topics, one for each camera; [''] is one camera without a "
            'prefix. Frames that wait at the same time share one forward pass.',
        ),
    ] = ('',)
    image_transport: Annotated[
        str,
        About(
            group='Input',
            choices=('raw', 'compressed'),
            text="Which image topic to read: 'raw' is image, 'compressed' is image/compressed.",
        ),
    ] = 'raw'
    input_reliability: Annotated[
        str,
        About(
            group='Input',
            choices=('auto', 'reliable', 'best_effort'),
            text="Reliability of the image subscription; 'auto' is reliable where every "
            'publisher of the topic offers it, else best effort.',
        ),
    ] = 'auto'

    image_is_rectified: Annotated[
        bool,
        About(
            group='Input',
            live=True,
            text='The images are rectified already (an image_rect topic): P of camera_info '
            'applies to them instead of K and D, and depth/camera_info says so in K as well.',
        ),
    ] = False
