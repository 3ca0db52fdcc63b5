"""Every parameter, defined once: type, default, limits and text.

ROS declarations and descriptors, `config/*.yaml`, `docs/parameters.md` and the offline commands
are all made from `Settings`. Values are checked whenever an instance is made; NaN is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from drnet_ros.errors import SettingsError
from drnet_ros.inference.parameter_spec import About, ParameterSpec, Value, specs_of
from drnet_ros.inference.settings_rules import check_together

__all__ = ['PAPER_BACKBONES', 'PARAMETERS', 'ParameterSpec', 'Settings', 'Size']

PAPER_BACKBONES = ('resnet50', 'resnet152', 'densenet161', 'senet154')
LITE_BACKBONES = ('efficientnet_lite0', 'efficientnet_lite1', 'efficientnet_lite2')

Size: TypeAlias = tuple[int, int]
"""Height and width in pixels, in this order; (0, 0) stands for 'as given elsewhere'."""

_MAX_SIDE = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All parameters of the node and the estimator; immutable and always valid.

    Lists are tuples here; any sequence is accepted. Each field carries its `About`, which
    `PARAMETERS` repeats in a form that other code can walk through.

    Raises:
        SettingsError: If a value has the wrong type, is outside its limits or contradicts another.
    """

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
            choices=('auto', *LITE_BACKBONES, *PAPER_BACKBONES),
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
            choices=(0, 1, 3, 5),
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
            maximum=_MAX_SIDE,
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
            length=(1, 16),
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
            'applies to them instead of K and D.',
        ),
    ] = False

    scale_by_focal_length: Annotated[
        bool,
        About(
            group='Depth',
            live=True,
            text='Multiply depth by the ratio of the focal length of the camera to that of the'
            ' training camera, both in pixels at network size, so that it stays metric on'
            ' another camera.',
        ),
    ] = True
    output_size: Annotated[
        Size,
        About(
            group='Depth',
            unit='px',
            minimum=0,
            maximum=_MAX_SIDE,
            length=(2, 2),
            live=True,
            text='Depth size [height, width]; K and P of depth/camera_info are scaled with it.'
            ' [0, 0] is the size of the image.',
        ),
    ] = (0, 0)
    depth_encoding: Annotated[
        str,
        About(
            group='Depth',
            choices=('32FC1', '16UC1'),
            live=True,
            text="'32FC1' is metres with NaN where invalid, '16UC1' millimetres with 0 where "
            'invalid.',
        ),
    ] = '32FC1'
    min_depth: Annotated[
        float,
        About(
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
        About(
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
        About(
            group='Depth',
            minimum=0.0,
            maximum=10.0,
            live=True,
            text='Make pixels invalid where depth differs from that of a direct neighbour by '
            'more than this fraction of the nearer one: flying points at the edges of '
            'things. 0 is off.',
        ),
    ] = 0.0

    points: Annotated[
        bool, About(group='Points', live=True, text='Whether to publish the point cloud.')
    ] = True
    point_stride: Annotated[
        int,
        About(
            group='Points',
            unit='px',
            minimum=1,
            maximum=64,
            live=True,
            text='Keep every n-th row and column of the depth image as points.',
        ),
    ] = 1
    point_color: Annotated[
        bool, About(group='Points', live=True, text='Whether points carry the color of the image.')
    ] = True

    lazy: Annotated[
        bool,
        About(group='Node', live=True, text='Do no work while nobody subscribes to an output.'),
    ] = True
    autostart: Annotated[
        bool,
        About(group='Node', text='Configure and activate the lifecycle node by itself at start.'),
    ] = True

    def __post_init__(self) -> None:
        """Bring values into canonical types and check them, alone and together."""
        for spec in PARAMETERS:
            object.__setattr__(self, spec.name, spec.check(getattr(self, spec.name)))
        check_together(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> Settings:
        """Build settings from names and values; what is not named keeps its default.

        Args:
            values: Parameter values by name.

        Returns:
            The checked settings.

        Raises:
            SettingsError: If a name is unknown or a value is not allowed.
        """
        return cls().changed(**values)

    def changed(self, **values: object) -> Settings:
        """Return a copy with some values replaced, all checked together.

        Args:
            **values: New values by parameter name.

        Returns:
            The checked copy; this instance stays as it is.

        Raises:
            SettingsError: If a name is unknown or a value is not allowed.
        """
        names = {spec.name for spec in PARAMETERS}
        unknown = sorted(set(values) - names)
        if unknown:
            msg = f'parameter {unknown[0]!r} is unknown; known are {", ".join(sorted(names))}'
            raise SettingsError(msg)
        accepted: dict[str, Any] = dict(values)
        return dataclasses.replace(self, **accepted)

    def to_mapping(self) -> dict[str, Value]:
        """Return all values by name, in the order of `PARAMETERS`."""
        return {spec.name: getattr(self, spec.name) for spec in PARAMETERS}


PARAMETERS = specs_of(Settings)
"""All parameters, in the order in which documentation lists them."""
