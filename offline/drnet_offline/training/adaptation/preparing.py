"""From a recording to stored frames: chosen, split into learned and held out, labelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_offline.errors import DatasetError
from drnet_offline.training.adaptation.blocks import LEAST_BLOCKS, learning_time, split_blocks
from drnet_offline.training.adaptation.frame_store import FrameStore, stored_size, write_frames
from drnet_offline.training.adaptation.selection import choose_frames, survey_images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from drnet_offline.training.adaptation.frame_store import LabelledFrame
    from drnet_offline.training.adaptation.selection import Survey
    from drnet_offline.training.adaptation.sources import FrameSource

__all__ = [
    'LEAST_LEARNED',
    'Limits',
    'check_enough',
    'prepare_again',
    'prepare_all',
    'prepare_frames',
    'problem_lines',
]

LEAST_LEARNED = 24
"""With fewer different frames there is nothing to learn."""

_LEAST_LABELLED = 0.01  # share of the pixels of a frame
_MOST_KINDS = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """How many frames are kept of a recording.

    Attributes:
        learned: The most frames that are learned.
        held_out: The most frames of the held-out blocks.
    """

    learned: int
    held_out: int = 120


def prepare_frames(
    source: FrameSource,
    folder: Path,
    network_hw: tuple[int, int],
    limits: Limits,
    on_frame: Callable[[], None] = lambda: None,
) -> FrameStore:
    """Choose and store frames to learn from and held-out frames to judge by.

    Args:
        source: The recording.
        folder: Where they are stored.
        network_hw: The network's nominal input size.
        limits: How many.
        on_frame: Called for each image looked at, and for each stored.

    Raises:
        DatasetError: If no image has data for a label.
    """
    survey, labelled = _survey(source, on_frame)
    blocks = split_blocks(learning_time(survey.stamps_s, labelled))
    learned = choose_frames(survey, labelled & blocks.is_learned, limits.learned)
    each = -(-limits.held_out // blocks.count)
    held_out = np.concatenate(
        [choose_frames(survey, labelled & (blocks.block == b), each) for b in range(blocks.count)]
    )
    wanted = {int(survey.positions[i]): -1 for i in learned}
    wanted |= {int(survey.positions[i]): int(blocks.block[i]) for i in held_out}
    about = _about(source, survey, labelled)
    about |= {'blocks': blocks.count, 'guard_s': blocks.guard_s}
    size = stored_size(survey.image_hw, network_hw)
    return _store(source, folder, wanted, size, about, on_frame)


def prepare_all(
    source: FrameSource,
    folder: Path,
    network_hw: tuple[int, int],
    most: int,
    on_frame: Callable[[], None] = lambda: None,
) -> FrameStore:
    """Store frames to be scored only, spread over the whole recording.

    Args:
        source: The recording.
        folder: Where they are stored.
        network_hw: The network's nominal input size.
        most: How many at most.
        on_frame: As in `prepare_frames`.

    Raises:
        DatasetError: If no frame has a label.
    """
    survey, labelled = _survey(source, on_frame)
    candidates = np.flatnonzero(labelled)
    count = min(most, len(candidates))
    chosen = candidates[np.linspace(0, len(candidates) - 1, count).round().astype(int)]
    # Blocks of consecutive frames, as where there is something to learn.
    numbers = np.arange(len(chosen)) * LEAST_BLOCKS // max(len(chosen), 1)
    wanted = {
        int(survey.positions[i]): int(number) for i, number in zip(chosen, numbers, strict=True)
    }
    size = stored_size(survey.image_hw, network_hw)
    return _store(source, folder, wanted, size, _about(source, survey, labelled), on_frame)


def prepare_again(
    source: FrameSource,
    folder: Path,
    network_hw: tuple[int, int],
    before: FrameStore,
    on_frame: Callable[[], None] = lambda: None,
) -> FrameStore:
    """Label the frames that are learned from anew.

    Args:
        source: The recording that they are of.
        folder: Where they are stored.
        network_hw: The network's nominal input size.
        before: The frames as they were labelled before.
        on_frame: Called for each frame.
    """
    wanted = {entry.position: -1 for entry in before.entries if entry.block < 0}
    source.may_have_label(np.array(sorted(wanted), np.int64))
    image_hw = before.about['image_hw']
    size = stored_size((image_hw[0], image_hw[1]), network_hw)
    return _store(source, folder, wanted, size, before.about, on_frame)


def _survey(source: FrameSource, on_frame: Callable[[], None]) -> tuple[Survey, NDArray[np.bool_]]:
    """Look at all images; return which of them can be decoded and may have a label, (N,)."""
    survey = survey_images(_counted(source.images(), on_frame))
    labelled = source.may_have_label(survey.positions) & np.isfinite(survey.sharpness)
    if not labelled.any():
        msg = f'{source.name} must have {source.labels} with its images, got none'
        raise DatasetError(msg)
    return survey, labelled


def _store(
    source: FrameSource,
    folder: Path,
    wanted: dict[int, int],
    size_hw: tuple[int, int],
    about: dict[str, Any],
    on_frame: Callable[[], None],
) -> FrameStore:
    """Store the frames at some positions, each with the number of its block."""
    return write_frames(
        folder, _read(source, wanted, about, on_frame), len(wanted), size_hw, about
    )


def _read(
    source: FrameSource,
    wanted: dict[int, int],
    about: dict[str, Any],
    on_frame: Callable[[], None],
) -> Iterator[LabelledFrame]:
    """Yield the frames that have a label; after them, `about` says what was wrong with others."""
    for frame in source.frames(wanted):
        if np.isfinite(frame.depth_hw).mean() >= _LEAST_LABELLED:
            yield frame
            on_frame()
    about['problems'] = dict(source.problems.most_common(_MOST_KINDS))


def _about(source: FrameSource, survey: Survey, labelled: NDArray[np.bool_]) -> dict[str, Any]:
    return {
        'name': source.name,
        'kind': source.kind,
        'labels': source.labels,
        'follows_network': source.follows_network,
        'images': len(survey),
        'images_with_data': int(labelled.sum()),
        'images_unreadable': int(np.isnan(survey.sharpness).sum()),
        'damage': source.damage,
        'duration_s': float(np.ptp(survey.stamps_s)),
        'image_hw': list(survey.image_hw),
        'path_widths': float(survey.path[-1]) if len(survey) else 0.0,
    }


def _counted(items: Iterable[Any], on_item: Callable[[], None]) -> Iterator[Any]:
    for item in items:
        yield item
        on_item()


def check_enough(stores: Sequence[FrameStore]) -> None:
    """Refuse to learn from too little.

    Args:
        stores: The frames of all recordings.

    Raises:
        DatasetError: There are too few different frames or blocks, which is said in numbers.
    """
    learned = sum(len(store.learned()) for store in stores)
    blocks = sum(
        len({entry.block for entry in store.entries if entry.block >= 0}) for store in stores
    )
    if learned >= LEAST_LEARNED and blocks >= LEAST_BLOCKS:
        return
    about = '; '.join(
        f'{store.about["name"]}: {store.about["images"]} images in '
        f'{store.about["duration_s"]:.1f} s, {store.about["images_with_data"]} with data, '
        f'picture moved by {store.about["path_widths"]:.1f} of its widths'
        + ''.join(f', {line}' for line in problem_lines(store.about))
        for store in stores
    )
    msg = (
        f'there must be at least {LEAST_LEARNED} different sharp frames with '
        f'{stores[0].about["labels"]} to learn from, and {LEAST_BLOCKS} held-out blocks with such '
        f'frames, got {learned} frames and {blocks} blocks ({about}): record longer, and move'
    )
    raise DatasetError(msg)


def problem_lines(about: Mapping[str, Any]) -> list[str]:
    """Return what was wrong with frames, a few words for each kind.

    Args:
        about: As a `FrameStore` has it.
    """
    return [f'{count} frames: {kind}' for kind, count in about.get('problems', {}).items()]
