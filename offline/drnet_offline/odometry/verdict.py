"""What `drnet vo` found, in sentences."""

from __future__ import annotations

from statistics import median
from typing import Any

from drnet_offline.odometry.running import RECORDED, RESCALED

__all__ = ['is_no_better_than_standing', 'path_verdict']

_AS_GOOD = 1.1
"""A camera that stands still is as good if its error is at most this many times that of a path."""


# Of a path by depth in metres, the true one is no greater multiple; estimates may be far off.
_MOST_SCALE, _MOST_ESTIMATED_SCALE = 1.8, 8.0
# A path that was followed is off by less than this share of what standing still would be, scaled.
_FOLLOWED = 0.2
_LEAST_WAY_M = 0.001


def is_no_better_than_standing(row: dict[str, Any], still: dict[str, Any]) -> bool:
    """Return whether a camera that never moves would be about as near to the true path.

    Args:
        row: The errors of a path.
        still: Those of a camera that never moves.
    """
    return bool(still['ape_m'] <= _AS_GOOD * row['ape_m'])


def path_verdict(summary: dict[str, Any]) -> list[str]:
    """Return sentences; the first says how far the best path with estimated depth is off.

    Where the true path stands still or cannot be in metres, that is the only sentence.

    Args:
        summary: What `comparison.summarise` returned, as plain values.
    """
    if doubt := _doubt(summary):
        return [doubt]
    still = summary['standing_still']
    # Depth that is rescaled by the recorded one is no robot's: it is in the tables only.
    known = [
        row
        for row in summary['paths']
        if row['depth'] != RECORDED
        and not row['depth'].endswith(RESCALED)
        and row['ape_m'] is not None
    ]
    if not known or still['ape_m'] is None:
        return ['No path with estimated depth could be compared with the true one.']
    best = min(known, key=lambda row: row['ape_m'])
    sentences = [
        (
            f'The best path with estimated depth ("{best["method"]}" with "{best["depth"]}") is '
            f'{_metres(best["ape_m"])} off (APE) on a path of {still["length_m"]:.2f} m; standing '
            f'still would be {_metres(still["ape_m"])} off.'
        )
    ]
    useless = [row for row in known if is_no_better_than_standing(row, still)]
    if len(useless) == len(known):
        sentences.append(
            'Standing still would have done as well as each of these paths: estimated depth is of '
            'no use for odometry here.'
        )
    elif useless:
        named = ', '.join(f'"{row["method"]}" with "{row["depth"]}"' for row in useless)
        sentences.append(f'Standing still would have done as well as {named}.')
    return sentences + _recorded_words(summary, best['method'], still)


def _recorded_words(summary: dict[str, Any], method: str, still: dict[str, Any]) -> list[str]:
    rows = [row for row in summary['paths'] if row['depth'] == RECORDED]
    for row in rows:
        if row['method'] != method or not row['ape_m']:
            continue
        words = f'With recorded depth, "{method}" is {_metres(row["ape_m"])} off'
        if is_no_better_than_standing(row, still):
            return [f'{words}, no better than standing still: the motion is hard to follow here.']
        return [f'{words}.']
    return []


def _metres(value_m: float) -> str:
    return f'{value_m:.2f} m' if value_m >= 1 else f'{value_m * 1000:.0f} mm'


def _doubt(summary: dict[str, Any]) -> str:
    """Return a sentence if the true path does not move or cannot be in metres, or ''."""
    still_m = summary['standing_still'].get('ape_scaled_m') or 0.0
    if summary['standing_still']['length_m'] < _LEAST_WAY_M:
        return 'The true path does not move: it says nothing of other paths.'
    scales: dict[bool, list[float]] = {True: [], False: []}
    for row in summary['paths']:
        if (row.get('ape_scaled_m') or still_m) < _FOLLOWED * still_m and row['scale']:
            scales[row['depth'] == RECORDED].append(row['scale'])
    for is_recorded, found in scales.items():
        if not found:
            continue
        scale, most = median(found), _MOST_SCALE if is_recorded else _MOST_ESTIMATED_SCALE
        if 1 / most <= scale <= most:
            return ''
        return (
            f'The true path is {scale:.3g} times as long as that by '
            f'{RECORDED if is_recorded else "estimated depth"}: one of the two is not in metres. '
            'Errors in metres say nothing here, those after scaling do.'
        )
    return ''
