"""Whether the depth of a data set can be that of its images, looked at before a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drnet_offline.errors import DatasetError
from drnet_offline.evaluation.protocols import PROTOCOLS

if TYPE_CHECKING:
    from drnet_offline.datasets.sample import DepthDataset
    from drnet_offline.evaluation.protocols import Protocol

__all__ = ['check_counted', 'check_depth', 'validation_protocols']

_IMAGES = 8
_PLAUSIBLE_M = 0.05, 100.0


def check_depth(name: str, samples: DepthDataset) -> None:
    """Refuse a data set without depth, or with depth in another unit.

    Args:
        name: What the data set is called.
        samples: Its images. Some are read; all if those have no depth.

    Raises:
        DatasetError: No image has a valid pixel, or their median depth cannot be metres.
    """
    # Images all over the set first, then those between them.
    stride = max(1, len(samples) // _IMAGES)
    order = [index for first in range(stride) for index in range(first, len(samples), stride)]
    medians: list[float] = []
    for index in order:
        valid = samples[index].depth_hw
        valid = valid[np.isfinite(valid)]
        if valid.size:
            medians.append(float(np.median(valid)))
        if len(medians) == _IMAGES:
            break
    if not medians:
        msg = f'{name} must have depth, got {len(samples)} images without a valid pixel'
        raise DatasetError(msg)
    median_m = float(np.median(medians))
    near_m, far_m = _PLAUSIBLE_M
    if not near_m <= median_m <= far_m:
        msg = (
            f'depth of {name} must be within {near_m:g} to {far_m:g} m, got a median of '
            f'{median_m:.3g} m over {len(medians)} images: is it in the unit of its layout? '
            '(PNGs of a folder are millimetres)'
        )
        raise DatasetError(msg)


def validation_protocols(sources: int) -> list[Protocol]:
    """Return which pixels of the validation images of each data set count.

    Args:
        sources: How many data sets there are. The first is NYU Depth v2 or stands in its place.
    """
    return [PROTOCOLS['full' if number else 'eigen'] for number in range(sources)]


def check_counted(name: str, samples: DepthDataset, protocol: Protocol) -> None:
    """Refuse images for validation of whose depth nothing counts: no weights would be the best.

    Args:
        name: What the data set is called.
        samples: Its images for validation. They are read up to one with depth that counts.
        protocol: Which pixels count.

    Raises:
        DatasetError: No pixel of any image counts.
    """
    for index in range(len(samples)):
        depth_hw = samples[index].depth_hw
        if protocol.select(depth_hw, depth_hw)[1].size:
            return
    msg = (
        f'images for validation of {name} must have depth that protocol {protocol.describe()} '
        f'counts, got none in {len(samples)} images'
    )
    raise DatasetError(msg)
