"""How the depth of one image is wrong, as a statistical model with a few calibrated numbers.

The logarithm of true depth over estimated depth is a Gaussian process over the image and the
logarithm of the estimate (Rasmussen and Williams, 2006, chapters 2 and 4; the trend as in section
2.7):

    ln(z / d)(u, v, l) = b + s (l - l0) + t (v - v0) + local(u, v, l) + noise

b, s and t are normal around 0: a global factor, one that changes with depth, and one that changes
down the image. u and v are in widths of the image, l = ln d. The local part has the exponential
covariance amplitude^2 exp(-sqrt((du^2 + dv^2) / a^2 + dl^2 / c^2)). The noise of a pixel grows
with the range of l around it: the edges of an estimate are never exactly in place.

Without sparse depth the standard deviation of an estimate is that of the model; with sparse depth
the process is conditioned on it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from drnet_ros.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['ScaleModel', 'stored_scale_model']

_LEAST, _MOST = 1e-6, 1e3


@dataclass(frozen=True, slots=True)
class ScaleModel:
    """The numbers of the model; natural logarithms and widths of the image are the units.

    Attributes:
        factor_stddev: Of b, the global factor.
        depth_slope_stddev: Of s.
        row_slope_stddev: Of t.
        local_stddev: Amplitude of the local part.
        local_length: Its length in the image.
        local_depth_length: Its length in log depth.
        noise_stddev: Noise of every pixel.
        edge_noise: Noise for each unit of the spread of log depth around a pixel.
        point_edge_noise: The same for the ratio at a point of sparse depth, which is exact there.
        stddev_factor: What the standard deviation is multiplied by without sparse depth.
        sparse_stddev_factor: What it is multiplied by with sparse depth.
    """

    factor_stddev: float = 0.335
    depth_slope_stddev: float = 0.05
    row_slope_stddev: float = 0.25
    local_stddev: float = 0.18
    local_length: float = 0.4
    local_depth_length: float = 0.9
    noise_stddev: float = 0.012
    edge_noise: float = 0.76
    point_edge_noise: float = 0.14
    stddev_factor: float = 1.08
    sparse_stddev_factor: float = 1.25

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            WeightsError: If one is no number, or none that a scale model can have.
        """
        for entry in fields(self):
            number = getattr(self, entry.name)
            is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
            if not is_number or not _LEAST <= number <= _MOST:
                msg = (
                    f'{entry.name} of the scale model must be a number in {_LEAST:g}..{_MOST:g}, '
                    f'got {number!r}; measure it again with "drnet calibrate"'
                )
                raise WeightsError(msg)

    def to_dict(self) -> dict[str, float]:
        """Return the numbers by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ScaleModel:
        """Build from the numbers by name; those that are not named keep their defaults.

        Raises:
            WeightsError: If a name is unknown or a number is not usable.
        """
        unknown = values.keys() - {entry.name for entry in fields(cls)}
        if unknown:
            msg = f'the scale model has no number {min(unknown)!r}; install a drnet_ros that fits'
            raise WeightsError(msg)
        return cls(**values)


def stored_scale_model(metadata: WeightsMetadata, weights_path: Path) -> ScaleModel:
    """Return the scale model of a weights file.

    Args:
        metadata: Of the weights.
        weights_path: Their file, for errors.

    Raises:
        WeightsError: If a name is unknown or a number is not usable.
    """
    try:
        return ScaleModel.from_dict(metadata.scale_model)
    except WeightsError as error:
        msg = f'{weights_path}: {error}'
        raise WeightsError(msg) from error
