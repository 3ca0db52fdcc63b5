"""How far labels that sensors or odometry made are from depth that was recorded as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drnet_offline.training.adaptation.scoring import SURE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_offline.training.adaptation.frame_store import FrameStore

__all__ = ['label_errors']


def label_errors(store: FrameStore) -> dict[str, float] | None:
    """Compare labels with recorded depth that is not learned.

    Args:
        store: Frames with labels.

    Returns:
        'rel', the mean error of labels over depth, each pixel with its weight; 'rel_sure', that of
        pixels sure enough to judge by; 'sure', their share of the pixels with recorded depth. None
        if no depth was recorded, or it is the label.
    """
    errors: list[NDArray[np.float32]] = []
    weights: list[NDArray[np.float32]] = []
    for index in range(len(store.entries)):
        truth, weight = store.truth_hw(index), store.weight_hw(index)
        if truth is None or weight is None:
            continue
        error = np.abs(store.depth_hw(index) / truth - 1)
        is_known = np.isfinite(error)
        errors.append(error[is_known])
        weights.append(weight[is_known])
    if not errors:
        return None
    all_errors, all_weights = np.concatenate(errors), np.concatenate(weights)
    is_sure = all_weights >= SURE
    if not is_sure.any():
        return None
    return {
        'rel': float(np.average(all_errors, weights=all_weights)),
        'rel_sure': float(all_errors[is_sure].mean()),
        'sure': float(is_sure.mean()),
    }
