"""What sparse depth did in a run, in words."""

from __future__ import annotations

from typing import Any

__all__ = ['points_words', 'sparse_problems', 'sparse_words']


def sparse_words(about: dict[str, Any]) -> str:
    """Return what the points of the sources did to depth, in one line.

    Args:
        about: What `sparse_records.summarise_sparse` returned for a variant.
    """
    factor, first_s = about['factor'], about['first_points_s']
    words = [points_words(about), f'{about["points_median"]:.0f} in the median frame']
    if first_s is not None:
        words.append(f'the first after {first_s:.2f} s')
    if (settled_s := about['converged_s']) is not None:
        words.append(f'converged after {settled_s:.2f} s')
    words.append(
        f'depth is multiplied by {factor["median"]:.3f} (p5 {factor["p5"]:.3f}, p95 '
        f'{factor["p95"]:.3f})'
    )
    if error := about['scale_error']:
        words.append(
            f'error of the scale {error["with_sources"]:.1%}, of the image alone '
            f'{error["image_alone"]:.1%}: {error["won"]:.0%} of it is won'
        )
    return ', '.join(words)


def points_words(about: dict[str, Any]) -> str:
    """Return which sources there are, and in how many frames they had points.

    Args:
        about: What `sparse_records.summarise_sparse` or `count_sparse` returned for a variant.
    """
    sources = ' and '.join(about['source_problems'])
    return (
        f'scale by {sources}: points in {about["frames_with_points"]} of {about["frames"]} frames'
    )


def sparse_problems(about: dict[str, Any]) -> list[str]:
    """Return how often points were refused or a source had none, and why; an example of each.

    Args:
        about: What `sparse_records.summarise_sparse` or `count_sparse` returned for a variant.
    """
    of_points = {
        'points refused': about['refused'],
        'no point seen': about['unseen'],
        'sources contradict': about['contradictions'],
    }
    found = {**of_points, **about['source_problems']}
    return [
        f'{what} in {kind["frames"]} frames: {kind["example"]}'
        for what, problem in found.items()
        for kind in problem['kinds']
    ]
