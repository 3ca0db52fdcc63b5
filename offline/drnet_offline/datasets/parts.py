"""Parts of a data set: what is for training, for validation and for the final test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drnet_offline.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ['PARTS', 'select_part']

PARTS = ('all', 'train', 'val', 'test')


def select_part(
    numbers: Sequence[int],
    *,
    part: str,
    blocks: Sequence[tuple[int, int]],
    test: Collection[int] | None,
    where: str,
) -> list[int]:
    """Pick the samples of one part.

    Args:
        numbers: The data set's number of each sample.
        part: 'all'; 'test': the official test samples; 'val': those of the rest that lie inside
            the blocks; 'train': those of the rest that lie outside.
        blocks: First and last number of each range for validation, both inclusive. Neighbours
            often show the same room, so it takes ranges and not every n-th sample.
        test: Numbers of the official test samples, None where the data set names none.
        where: The data set, for messages.

    Returns:
        Positions in numbers, in order.

    Raises:
        DatasetError: There is no such part here, or it is empty.
    """
    if part not in PARTS:
        msg = f'part must be one of {", ".join(PARTS)}, got {part!r}'
        raise DatasetError(msg)
    if part == 'test' and test is None:
        msg = f"{where} has no official test samples: use part 'all', or 'val' with blocks"
        raise DatasetError(msg)
    if part == 'val' and not blocks:
        msg = f"{where}: part 'val' needs validation_blocks, as [[100, 199]]"
        raise DatasetError(msg)
    kept = [
        position
        for position, number in enumerate(numbers)
        if part in {'all', _classify(number, blocks, test or ())}
    ]
    if not kept:
        msg = f'{where} holds no samples for part {part!r}{_advice(numbers, part)}'
        raise DatasetError(msg)
    return kept


def _advice(numbers: Sequence[int], part: str) -> str:
    """Return what helps where the ranges for validation are those of other data."""
    if part not in {'train', 'val'} or not numbers:
        return ''
    first, last = min(numbers), max(numbers)
    return (
        f': its numbers are {first} to {last}, and validation_blocks must name some of these and '
        f'not all, as [[{first}, {first + (last - first) // 10}]]'
    )


def _classify(number: int, blocks: Sequence[tuple[int, int]], test: Collection[int]) -> str:
    if number in test:
        return 'test'
    return 'val' if any(first <= number <= last for first, last in blocks) else 'train'
