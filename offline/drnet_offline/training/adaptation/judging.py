"""Judges mixtures of old and new weights on held-out blocks and on the replay set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drnet_offline.errors import DatasetError
from drnet_offline.training.adaptation.blocks import LEAST_BLOCKS
from drnet_offline.training.adaptation.comparison import Comparison, Weights, compare
from drnet_offline.training.adaptation.gate import MIXTURES, Verdict, block_errors, judge
from drnet_offline.training.adaptation.mixing import mix
from drnet_offline.training.adaptation.scoring import mean_of, score_frames

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from rich.progress import Progress

    from drnet_offline.training.adaptation.frame_store import FrameStore
    from drnet_offline.training.adaptation.plan import AdaptationPlan
    from drnet_offline.training.adaptation.replay_set import Checked
    from drnet_ros.network.drnet import DRNet
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['compare_on', 'judge_mixtures']


def judge_mixtures(
    weights: tuple[DRNet, DRNet],
    metadata: WeightsMetadata,
    stores: Sequence[FrameStore],
    checked: Checked | None,
    plan: AdaptationPlan,
    progress: Progress,
) -> tuple[Verdict, dict[str, Any]]:
    """Score all mixtures, and judge.

    Args:
        weights: Old and new network.
        metadata: Of both.
        stores: Their held-out frames are scored.
        checked: What forgetting is measured on, if anything.
        plan: How much may be forgotten.
        progress: Bars for the terminal.

    Returns:
        The verdict, and a table of all mixtures as plain JSON: REL on held-out frames, in each
        block and on the replay set.
    """
    errors, kept = _score_mixtures(weights, metadata, stores, checked, progress)
    _check_judged(len(errors[0.0]), stores)
    verdict = judge(
        errors[0.0],
        {share: errors[share] for share in MIXTURES},
        _forgotten(kept, checked),
        most_forgotten=plan.most_forgotten * (1.0 if checked is None else checked.allowance),
        is_change=checked is not None and checked.is_old_depth,
    )
    table = {
        f'{share:g}': {
            'held_out_rel': float(each.mean()),
            'blocks': each.tolist(),
            'replay_rel': kept.get(share),
        }
        for share, each in errors.items()
    }
    return verdict, table


def _forgotten(kept: Mapping[float, float], checked: Checked | None) -> dict[float, float]:
    """Return what each mixture forgets: a change of depth, or the share by which REL rises."""
    if checked is None:
        return {}
    if checked.is_old_depth:
        return {share: kept[share] for share in MIXTURES}
    return {share: kept[share] / kept[0.0] - 1 for share in MIXTURES}


def _score_mixtures(
    weights: tuple[DRNet, DRNet],
    metadata: WeightsMetadata,
    stores: Sequence[FrameStore],
    checked: Checked | None,
    progress: Progress,
) -> tuple[dict[float, NDArray[np.float64]], dict[float, float]]:
    """Return REL of each mixture in each held-out block, and on the replay set if there is one."""
    held_out = [store.held_out() for store in stores]
    shares = (0.0, *MIXTURES)
    count = sum(map(len, held_out)) + (0 if checked is None else len(checked.places))
    bar = progress.add_task('judging', total=count * len(shares))

    def advance() -> None:
        progress.advance(bar)

    errors, kept = {}, {}
    for share in shares:
        network = mix(*weights, share)
        frames = [(each, each.places) for each in held_out]
        errors[share] = block_errors(score_frames(network, metadata, frames, advance))
        if checked is not None:
            replayed = [(checked.samples, checked.places)]
            kept[share] = mean_of(score_frames(network, metadata, replayed, advance))
    return errors, kept


def _check_judged(blocks: int, stores: Sequence[FrameStore]) -> None:
    """Refuse to judge by labels that are nowhere sure."""
    if blocks < LEAST_BLOCKS:
        msg = (
            f'{stores[0].about["labels"]} must be sure enough to judge by in {LEAST_BLOCKS} '
            f'held-out blocks, got {blocks}: record more points, or other labels'
        )
        raise DatasetError(msg)


def compare_on(
    weights: Weights,
    stores: Sequence[FrameStore],
    tests: Sequence[FrameStore],
    checked: Checked | None,
    progress: Progress,
) -> list[Comparison]:
    """Compare old and chosen weights on all that is not learned from.

    Args:
        weights: What is compared.
        stores: Their held-out frames; first by their labels, then by recorded depth, if it is
            there and is no label.
        tests: Other recordings.
        checked: What forgetting is measured on, if anything.
        progress: Bars for the terminal.
    """
    found: list[tuple[str, Any, Sequence[tuple[int, float]]]] = []
    for store in stores:
        name, frames = f'{store.about["name"]}, held-out blocks', store.held_out()
        truth = store.held_out_truth()
        words = f' ({store.about["labels"]})' if truth is not None else ''
        found.append((name + words, frames, frames.places))
        if truth is not None:
            found.append((f'{name} (recorded depth, not learned)', truth, truth.places))
    for store in tests:
        frames = store.held_out()
        found.append((f'{store.about["name"]}, test', frames, frames.places))
    if checked is not None:
        found.append((f'{checked.name} (replay)', checked.samples, checked.places))
    bar = progress.add_task('comparing', total=sum(len(places) for *_, places in found))
    compared = [
        compare(name, samples, places, weights, lambda: progress.advance(bar))
        for name, samples, places in found
    ]
    return [comparison for comparison in compared if comparison.frames]
