"""How good weights are on stored frames, frame by frame and block by block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from drnet_offline.evaluation.figures import NAMES, compute_errors
from drnet_offline.replay.scores import figures_of
from drnet_offline.training.adaptation.learner import normalise
from drnet_offline.training.augment import resize_sample
from drnet_ros.inference.preprocess import network_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_offline.datasets.sample import DepthDataset, DepthSample
    from drnet_ros.network.drnet import DRNet
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['SURE', 'FrameScore', 'mean_of', 'predict', 'score_frames', 'scored_sample']

SURE = 0.5
"""Labels of a smaller weight are learned a little, but not judged by."""


@dataclass(frozen=True, slots=True)
class FrameScore:
    """The figures of one frame.

    Attributes:
        block: Its held-out block; unique over recordings.
        stamp_s: When it was taken.
        figures: The metrics of `evaluation.figures.NAMES`, and 'scale', the median of label over
            estimate.
    """

    block: tuple[int, int]
    stamp_s: float
    figures: Mapping[str, float]


def predict(network: DRNet, metadata: WeightsMetadata, sample: DepthSample) -> NDArray[np.float32]:
    """Return depth as the node gives it, at the size of the sample, float32 (H, W) metres."""
    size = network_size(
        (sample.rgb_hwc.shape[0], sample.rgb_hwc.shape[1]),
        (metadata.input_height, metadata.input_width),
    )
    rgb, _, focal_px = resize_sample(sample, size, 0)
    device = next(network.parameters()).device
    batch = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].to(device)
    with torch.inference_mode():
        depth = network(normalise(batch, metadata))[0].float()
        full = torch.nn.functional.interpolate(
            depth, size=sample.rgb_hwc.shape[:2], mode='bilinear', align_corners=False
        )
    scale = focal_px / metadata.f_training
    found: NDArray[np.float32] = (full[0, 0] * scale).clamp(min=1e-3).cpu().numpy()
    return found


def scored_sample(frames: DepthDataset, index: int) -> DepthSample:
    """Return a frame with the part of its label that is sure enough to judge by."""
    sure_part: Callable[[int, float], DepthSample] | None = getattr(frames, 'sure_part', None)
    return frames[index] if sure_part is None else sure_part(index, SURE)


def score_frames(
    network: DRNet,
    metadata: WeightsMetadata,
    frames: Sequence[tuple[DepthDataset, Sequence[tuple[int, float]]]],
    on_frame: Callable[[], None] = lambda: None,
) -> list[FrameScore]:
    """Score a network on frames.

    Args:
        network: In eval mode.
        metadata: Its metadata.
        frames: Data sets, each with block and stamp of its frames.
        on_frame: Called after each frame.
    """
    scores = []
    for number, (dataset, places) in enumerate(frames):
        for index, (block, stamp_s) in enumerate(places):
            sample = scored_sample(dataset, index)
            figures = score_sample(predict(network, metadata, sample), sample.depth_hw)
            if figures:
                scores.append(FrameScore((number, block), stamp_s, figures))
            on_frame()
    return scores


def score_sample(depth_hw: NDArray[np.float32], truth_hw: NDArray[np.float32]) -> dict[str, float]:
    """Return the figures of one frame; {} if it has no label."""
    valid = np.isfinite(truth_hw) & (truth_hw > 0)
    if not valid.any():
        return {}
    depth, truth = depth_hw[valid], truth_hw[valid]
    figures = figures_of(compute_errors(depth, truth))
    return {**figures, 'scale': float(np.median(truth / depth))}


def mean_of(scores: Sequence[FrameScore], name: str = 'rel') -> float:
    """Return the mean of a figure over frames; NaN without any."""
    return float(np.mean([score.figures[name] for score in scores])) if scores else float('nan')


def figures_mean(scores: Sequence[FrameScore]) -> dict[str, float]:
    """Return the mean of each metric over frames."""
    return {name: mean_of(scores, name) for name in NAMES}
