"""What a weights file says of itself; read without PyTorch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from drnet_ros.errors import WeightsError
from drnet_ros.network.config import MAX_INPUT_PIXELS, NetworkConfig
from drnet_ros.network.tensor_sum import check_tensor_sum

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ['FORMAT_VERSION', 'IMAGENET_MEAN', 'IMAGENET_STD', 'WeightsMetadata', 'read_metadata']

FORMAT_VERSION = 1
_KEY = 'drnet'
_MAX_SIDE = 8192
_MAX_FLOAT32 = 3.4e38
# Focal lengths in longer sides of the input: fields of view of 169 and of 1 degrees.
_LEAST_FOCAL, _MOST_FOCAL = 0.05, 50.0
_LEAST_STD, _MOST_STD = 0.001, 10.0  # of RGB in 0..1, with room
_MOST_MEAN = 10  # of any image in 0..1, with room

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
        scale_model: How far depth is off, calibrated on validation data: the numbers of
            `inference.sparse_depth.scale_model.ScaleModel` by name; empty if never calibrated.
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
    scale_model: Mapping[str, float] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        """Check what inference divides by or allocates from.

        Raises:
            WeightsError: A value is not usable.
        """
        for name in ('input_height', 'input_width'):
            side = getattr(self, name)
            if type(side) is not int or not 0 < side <= _MAX_SIDE:
                msg = f'{name} must be a whole number in 1..{_MAX_SIDE} px, got {side!r}'
                raise WeightsError(msg)
        self._check_area()
        for name in ('mean', 'std'):
            channels = getattr(self, name)
            if len(channels) != 3 or not all(_is_finite(channel) for channel in channels):
                msg = f'{name} must be three finite numbers, got {channels!r}'
                raise WeightsError(msg)
        if max(map(abs, self.mean)) > _MOST_MEAN:
            msg = f'mean must be that of RGB in 0..1, not in 0..255, got {self.mean!r}'
            raise WeightsError(msg)
        if min(self.std) < _LEAST_STD or max(self.std) > _MOST_STD:
            msg = (
                f'std must be that of RGB in 0..1, within {_LEAST_STD}..{_MOST_STD}, got '
                f'{self.std!r}'
            )
            raise WeightsError(msg)
        self._check_focal_length()
        near, far = self.min_depth, self.max_depth
        if not (_is_finite(near) and _is_finite(far) and 0 <= near < far):
            msg = f'0 <= min_depth < max_depth must hold, in metres, got {near!r} and {far!r}'
            raise WeightsError(msg)

    def _check_area(self) -> None:
        height, width = self.input_height, self.input_width
        if height * width > MAX_INPUT_PIXELS:
            msg = (
                f'the input must have at most {MAX_INPUT_PIXELS / 1e6:.1f} megapixels, got '
                f'input_height {height} and input_width {width}: write the size of the training '
                'images as the network sees them'
            )
            raise WeightsError(msg)

    def _check_focal_length(self) -> None:
        longer = max(self.input_height, self.input_width)
        least, most = _LEAST_FOCAL * longer, _MOST_FOCAL * longer
        if not (_is_finite(self.f_training) and least <= self.f_training <= most):
            msg = (
                f'f_training must be {least:g} to {most:g} px for an input of {longer} px (169 to '
                f'1 degrees of view), got {self.f_training!r}: depth is divided by it, write the '
                'focal length of the training images at that size'
            )
            raise WeightsError(msg)

    def to_json(self) -> str:
        """Return the record as it stands in the file."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values |= {'network': self.network.to_dict()}
        values |= {name: dict(getattr(self, name)) for name in ('metrics', 'scale_model')}
        return json.dumps(values, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> WeightsMetadata:
        """Build from the record in the file.

        Raises:
            WeightsError: Another format version, or a missing or malformed entry.
        """
        try:
            values = json.loads(text)
            version = values['format_version']
            if type(version) is not int or version != FORMAT_VERSION:
                msg = (
                    f'weights have format version {version!r}, this drnet_ros reads version '
                    f'{FORMAT_VERSION}: install a drnet_ros that fits, or export the weights again'
                )
                raise WeightsError(msg)
            if type(values.get('licence', '')) is not str:
                msg = f'licence must be text, got {values["licence"]!r}'
                raise WeightsError(msg)
            for name in ('metrics', 'scale_model'):
                if type(values.get(name, {})) is not dict:
                    msg = f'{name} must be names with values, got {values[name]!r}'
                    raise WeightsError(msg)
            values['network'] = NetworkConfig.from_dict(values['network'])
            values['mean'] = tuple(values['mean'])
            values['std'] = tuple(values['std'])
            return cls(**values)
        except KeyError as error:
            msg = f'weights metadata must have the entry {error}'
            raise WeightsError(msg) from error
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            msg = f'weights metadata must be the record that "drnet train" writes, got: {error}'
            raise WeightsError(msg) from error


def _is_finite(number: object) -> bool:
    """Return whether this is a number that float32 can hold, and no bool."""
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        return False
    return abs(number) <= _MAX_FLOAT32


def to_header(metadata: WeightsMetadata) -> dict[str, str]:
    """Return the safetensors header entries that hold the record."""
    return {_KEY: metadata.to_json()}


def read_metadata(path: Path) -> WeightsMetadata:
    """Read the record of a weights file.

    Args:
        path: A .safetensors file written by `drnet_ros.network.checkpoint.save_network`.

    Raises:
        WeightsError: There is no such file, it is no safetensors file, it is not ours, or its
            tensors are not those that were written into it.
    """
    if not path.is_file():
        msg = f'no weights file at {path}: give a .safetensors file or "embedded"'
        raise WeightsError(msg)
    try:
        with safe_open(path, framework='numpy') as file:
            header = file.metadata() or {}
        check_tensor_sum(path)
    except (SafetensorError, OSError, ValueError) as error:
        msg = (
            f'{path} must be a whole .safetensors file (pickled checkpoints, .pth or .ckpt, are '
            f'not loaded), got: {error}'
        )
        raise WeightsError(msg) from error
    if _KEY not in header:
        msg = f'{path} must hold a drnet_ros record: write weights with "drnet train"'
        raise WeightsError(msg)
    try:
        return WeightsMetadata.from_json(header[_KEY])
    except WeightsError as error:
        msg = f'{path}: {error}'
        raise WeightsError(msg) from error
