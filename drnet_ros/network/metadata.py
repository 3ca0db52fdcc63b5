"""What a weights file says of itself; read without PyTorch."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from drnet_ros.errors import WeightsError
from drnet_ros.network.config import NetworkConfig

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ['FORMAT_VERSION', 'IMAGENET_MEAN', 'IMAGENET_STD', 'WeightsMetadata', 'read_metadata']

FORMAT_VERSION = 1
_KEY = 'drnet'

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class WeightsMetadata:
    """Everything but the tensors.

    Attributes:
        network: The choices the tensors belong to.
        input_height: Height the network was trained at, pixels.
        input_width: Width the network was trained at, pixels.
        f_training: Focal length of the training camera at that size, pixels.
        min_depth: Smallest depth the training data had, metres.
        max_depth: Largest depth the training data had, metres.
        mean: Subtracted from RGB in 0..1.
        std: RGB in 0..1, less mean, is divided by this.
        licence: What the weights may be used for.
        metrics: Validation figures with their protocol, for people.
        format_version: Version of this record.
    """

    network: NetworkConfig
    input_height: int
    input_width: int
    f_training: float
    min_depth: float
    max_depth: float
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    licence: str = ''
    metrics: Mapping[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        """Check what inference divides by or allocates from.

        Raises:
            WeightsError: A value is not usable.
        """
        numbers = (self.f_training, self.min_depth, self.max_depth, *self.mean, *self.std)
        is_sound = (
            len(self.mean) == len(self.std) == 3  # noqa: PLR2004 - RGB
            and all(math.isfinite(number) for number in numbers)
            and min(self.std) > 0
            and self.f_training > 0
            and 0 <= self.min_depth < self.max_depth
            and min(self.input_height, self.input_width) > 0
        )
        if not is_sound:
            msg = f'weights metadata must hold positive sizes, focal length and range, got {self}'
            raise WeightsError(msg)

    def to_json(self) -> str:
        """Return the record as it stands in the file."""
        names = [name for name in self.__slots__ if name != 'network']
        values = {name: getattr(self, name) for name in names}
        return json.dumps({**values, 'network': self.network.to_dict()}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> WeightsMetadata:
        """Build from the record in the file.

        Raises:
            WeightsError: Another format version, or a missing or malformed entry.
        """
        try:
            values = json.loads(text)
            version = values['format_version']
            if version != FORMAT_VERSION:
                msg = (
                    f'weights have format version {version!r}, this drnet_ros reads version '
                    f'{FORMAT_VERSION}: install a drnet_ros that fits, or export the weights again'
                )
                raise WeightsError(msg)
            values['network'] = NetworkConfig.from_dict(values['network'])
            values['mean'] = tuple(float(number) for number in values['mean'])
            values['std'] = tuple(float(number) for number in values['std'])
            return cls(**values)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            msg = f'weights metadata is malformed: {error}'
            raise WeightsError(msg) from error


def to_header(metadata: WeightsMetadata) -> dict[str, str]:
    """Return the safetensors header entries that hold the record."""
    return {_KEY: metadata.to_json()}


def read_metadata(path: Path) -> WeightsMetadata:
    """Read the record of a weights file.

    Args:
        path: A .safetensors file written by `drnet_ros.network.checkpoint.save_network`.

    Raises:
        WeightsError: There is no such file, it is no safetensors file, or it is not ours.
    """
    if not path.is_file():
        msg = f'no weights file at {path}: give a .safetensors file or "embedded"'
        raise WeightsError(msg)
    try:
        with safe_open(path, framework='numpy') as file:
            header = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        msg = f'{path} is no safetensors file ({error}): pickled checkpoints are not loaded'
        raise WeightsError(msg) from error
    if _KEY not in header:
        msg = f'{path} holds no drnet_ros record: write weights with "drnet train"'
        raise WeightsError(msg)
    try:
        return WeightsMetadata.from_json(header[_KEY])
    except WeightsError as error:
        msg = f'{path}: {error}'
        raise WeightsError(msg) from error
