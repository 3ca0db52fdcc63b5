"""What is measured: a network, how it is run, and at what size."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ['DRNET', 'RANDOM', 'BenchmarkCase', 'Work']

DRNET = 'drnet'
RANDOM = 'random'
"""In place of a weights file: speed and memory are the same whatever the weights."""


@dataclass(frozen=True, slots=True)
class Work:
    """A network as it is run.

    Attributes:
        network: 'drnet' or one of `baselines.building.BASELINES`.
        backbone: Its backbone.
        guided_filter: Whether a DRNet has the guided filter.
        correction_kernel: Of a DRNet.
        weights: 'embedded', a path, or 'random'.
        engine: 'auto', 'openvino' or 'torch'.
        device: As the node's parameter.
        precision: As the node's parameter.
        threads: CPU cores that it may use.
    """

    network: str = DRNET
    backbone: str = 'efficientnet_lite0'
    guided_filter: bool = False
    correction_kernel: int = 1
    weights: str = RANDOM
    engine: str = 'auto'
    device: str = 'auto'
    precision: str = 'auto'
    threads: int = 1

    @property
    def label(self) -> str:
        """Say in a few words what it is."""
        name = {'rside': 'RSIDE', DRNET: 'DRNet'}.get(self.network, self.network)
        guided = ' + guided filter' if self.guided_filter else ''
        backbone = '' if self.network == 'depth_anything_v2_small' else f' {self.backbone}'
        return f'{name}{backbone}{guided}'


@dataclass(frozen=True, slots=True)
class BenchmarkCase:
    """A network as it is run, and the size of its images.

    Attributes:
        work: The network and how it is run.
        size_hw: Height and width of the images; the network may see them at another one.
    """

    work: Work
    size_hw: tuple[int, int]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> BenchmarkCase:
        """Build from what `to_dict` returned."""
        height, width = values['size_hw']
        return cls(Work(**values['work']), (height, width))
