"""What `drnet bag` found, in sentences."""

from __future__ import annotations

from typing import Any

__all__ = ['accuracy_words', 'bag_verdict', 'percent']

_MOSTLY_SCALE = 0.75
_ABOUT_EQUAL = 0.02


def bag_verdict(summary: dict[str, Any]) -> list[str]:
    """Return sentences; the first says how exact the depth is, or that nothing tells.

    Args:
        summary: The results, as `summary.summarise` gives them.
    """
    variants = summary['variants']
    protocol = next(iter(summary['protocols']))
    figures = variants[0]['figures'].get(protocol)
    sentences = []
    if figures is None:
        sentences.append(
            'Nothing here says how exact the depth is: no recorded depth was compared with it.'
        )
    else:
        sentences.append(accuracy_words(figures))
        sentences += _scale_words(figures, variants[0]['figures'].get(f'{protocol}_scaled'))
        sentences += _comparison_words(variants, protocol)
    sentences += _steadiness_words(summary)
    if summary['damage'] or summary['problems']:
        sentences.append('Not all of the recording could be used: see the warnings below.')
    return sentences


def percent(share: float, digits: int = 0) -> str:
    """Return a share in percent, as sentences have it: 0.25 is '25 %'.

    Args:
        share: The share.
        digits: How many digits follow the point.
    """
    return f'{100 * share:.{digits}f} %'


def accuracy_words(figures: dict[str, Any]) -> str:
    """Say in a sentence how exact depth is.

    Args:
        figures: 'rel' and 'delta1'.
    """
    return (
        f'Depth is {percent(figures["rel"], 1)} off on average (REL), and '
        f'{percent(figures["delta1"])} of the pixels are within 25 % of the recorded depth '
        '(delta1).'
    )


def _scale_words(figures: dict[str, Any], scaled: dict[str, Any] | None) -> list[str]:
    if scaled is None or not figures['rel']:
        return []
    if scaled['rel'] < _MOSTLY_SCALE * figures['rel']:
        return [
            (
                f'Much of this is the scale of whole frames: with the right scale for each, '
                f'{percent(scaled["rel"], 1)} would remain.'
            )
        ]
    return [
        (
            f'The scale of whole frames is not the main error: with the right scale for each, '
            f'{percent(scaled["rel"], 1)} would remain.'
        )
    ]


def _comparison_words(variants: list[dict[str, Any]], protocol: str) -> list[str]:
    found = {v['name']: v['figures'][protocol]['rel'] for v in variants if v['figures']}
    if len(found) < 2:
        return []
    order = sorted(found, key=lambda name: found[name])
    best, worst = order[0], order[-1]
    if found[worst] <= found[best] * (1 + _ABOUT_EQUAL):
        return [f'All settings compared are within {percent(_ABOUT_EQUAL)} of each other in REL.']
    return [
        (
            f'Of the settings compared, "{best}" has the smallest REL, {percent(found[best], 1)}; '
            f'"{worst}" has the largest, {percent(found[worst], 1)}.'
        )
    ]


def _steadiness_words(summary: dict[str, Any]) -> list[str]:
    steady = summary['variants'][0]['steadiness']
    if not steady:
        return []
    words = f'From one frame to the next, depth changes by {steady["step_percent_median"]:.1f} %'
    if recorded := summary['recorded_depth_steadiness']:
        return [f'{words}; the recorded depth changes by {recorded["step_percent_median"]:.1f} %.']
    return [f'{words} (median).']
