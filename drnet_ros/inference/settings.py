"""Every parameter, defined once: type, default, limits and text.

ROS declarations and descriptors, `config/*.yaml`, `docs/parameters.md` and the offline commands
are all made from `Settings`. Values are checked whenever an instance is made; NaN is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from drnet_ros.errors import SettingsError
from drnet_ros.inference.engine_settings import MAX_SIDE, EngineSettings, Size
from drnet_ros.inference.parameter_spec import About, ParameterSpec, Value, specs_of
from drnet_ros.inference.settings_rules import check_together

__all__ = ['PARAMETERS', 'ParameterSpec', 'Settings', 'Size']


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(EngineSettings):
    """All parameters of the node and the estimator; immutable and always valid.

    Lists are tuples here; any sequence is accepted. Each field carries its `About`, which
    `PARAMETERS` repeats in a form that other code can walk through.

    Raises:
        SettingsError: If a value has the wrong type, is outside its limits or contradicts another.
    """

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
            maximum=MAX_SIDE,
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
            text='Make pixels invalid where depth jumps by more than this fraction of the nearer '
            'one from one pixel to the next: flying points at the edges of things. The pixels are '
            "the network's: in a larger depth image an edge is spread over more. 0 is off.",
        ),
    ] = 0.0

    temporal_filter: Annotated[
        float,
        About(
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
