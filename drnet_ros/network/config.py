"""What a network is made of, without PyTorch: known before anything is built."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from drnet_ros.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    'BACKBONE_NAMES',
    'CORRECTION_KERNELS',
    'MAX_INPUT_PIXELS',
    'PAPER_BACKBONES',
    'STRIDE',
    'NetworkConfig',
]

STRIDE = 32
"""Input sides that are multiples of this need no padding."""
MAX_INPUT_PIXELS = 2**23
"""Largest area that the network is run at: 4K video fits; more takes minutes and all memory."""

PAPER_BACKBONES = ('resnet50', 'resnet152', 'densenet161', 'senet154')
BACKBONE_NAMES = (
    'efficientnet_lite0',
    'efficientnet_lite1',
    'efficientnet_lite2',
    *PAPER_BACKBONES,
)
CORRECTION_KERNELS = (1, 3, 5)


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The choices that fix a DRNet's tensors.

    Attributes:
        backbone: One of `BACKBONE_NAMES`.
        guided_filter: Upsample depth with the guided filter instead of bilinearly.
        correction_kernel: Kernel of the correction convolutions: 1, 3 or 5.
        diagonal_connections: Feed the upsampled depth into the first branch too; without the
            second branch there is none to feed.
        second_branch: The branch of intermediate depths; off is the paper's ablation.
        decoder_channels: Channels of U_3, U_2, U_1, U_0; empty for the backbone's own.
    """

    backbone: str = 'efficientnet_lite0'
    guided_filter: bool = False
    correction_kernel: int = 1
    diagonal_connections: bool = True
    second_branch: bool = True
    decoder_channels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check every choice.

        Raises:
            WeightsError: A choice is out of its range; the message says what is allowed.
        """
        if self.backbone not in BACKBONE_NAMES:
            msg = f'backbone must be one of {", ".join(BACKBONE_NAMES)}, got {self.backbone!r}'
            raise WeightsError(msg)
        if self.correction_kernel not in CORRECTION_KERNELS:
            msg = f'correction_kernel must be 1, 3 or 5, got {self.correction_kernel!r}'
            raise WeightsError(msg)
        widths = self.decoder_channels
        if widths and (len(widths) != 4 or not all(type(w) is int and w > 0 for w in widths)):
            msg = f'decoder_channels must be four whole numbers above 0 or none, got {widths!r}'
            raise WeightsError(msg)
        if self.guided_filter and not self.second_branch:
            msg = (
                'guided_filter must be off where second_branch is: it upsamples the depths of '
                'that branch'
            )
            raise WeightsError(msg)

    def to_dict(self) -> dict[str, Any]:
        """Return the choices as plain JSON values."""
        return {**asdict(self), 'decoder_channels': list(self.decoder_channels)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NetworkConfig:
        """Build from plain JSON values; but for the backbone, what is absent has its default.

        Raises:
            WeightsError: A choice is unknown, of the wrong type or out of its range.
        """
        known = {field.name: field.default for field in fields(cls)}
        if 'backbone' not in values:
            msg = f'a network must name its backbone, got {dict(values)!r}'
            raise WeightsError(msg)
        for name, value in values.items():
            if name not in known:
                msg = f'unknown network choice {name!r}; this version knows {", ".join(known)}'
                raise WeightsError(msg)
            expected = list if name == 'decoder_channels' else type(known[name])
            if type(value) is not expected:
                msg = f'network choice {name} must be {expected.__name__}, got {value!r}'
                raise WeightsError(msg)
        widths = tuple(values.get('decoder_channels', ()))
        return cls(**{**values, 'decoder_channels': widths})
