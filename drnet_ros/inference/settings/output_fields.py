"""The parameters of what a robot needs besides depth; see `fields` for the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from drnet_ros.inference.limits import MAX_CAMERAS
from drnet_ros.inference.settings.parameter_spec import ParameterInfo
from drnet_ros.inference.settings.sparse_depth_fields import SparseDepthFields

__all__ = ['OutputFields']


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFields(SparseDepthFields):
    """The fields that `Settings` has besides those of `SparseDepthFields`, listed after them."""

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
