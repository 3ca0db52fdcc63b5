"""What the figures of a report mean, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ['explained']

_MEANINGS = {
    'REL': 'Mean of |estimated - recorded| / recorded depth. 0.10: depth is 10 % off on average.',
    'delta1': (
        'Share of the pixels whose estimated depth is within a factor of 1.25 of the recorded '
        'one; delta2 and delta3: within 1.25² and 1.25³. The larger the better.'
    ),
    'RMSE': 'Root of the mean squared error in metres. Far pixels weigh most.',
    'log10': 'Mean of |log10(estimated / recorded depth)|. 0.043 is a factor of 1.1.',
    'scale': (
        'Median of recorded by estimated depth in a frame: what its depth would have to be '
        'multiplied by. 1 is right; above 1, depth is too small.'
    ),
    'scaled': (
        'Figures of depth that was multiplied by the scale of its frame. What remains is an error '
        'of shape.'
    ),
    'coverage': 'Share of the pixels with recorded depth that have an estimate, too.',
    'scale step': (
        'Change of depth from one frame to the next, the median over corners that are followed '
        'in the images. Motion changes depth too: the row of the recorded depth, if there is one, '
        'shows by how much.'
    ),
    'flicker': 'How far single corners are from that median: the shape changes by so much.',
    'standard deviation': (
        'The error that the network expects at a pixel. It is right if 68 % of the pixels lie '
        'within one and 95 % within two of them.'
    ),
    'scale error': (
        'Mean over frames of how far the scale is from 1, as a logarithm. Won: what share of the '
        'error of the image alone the sources take away.'
    ),
    'converged': (
        'Seconds until the stated deviation of the factor came within a tenth of its median.'
    ),
    'APE': (
        'Distance of the positions from the true path, after the best rigid alignment; scaled '
        'APE: after one that may scale the path, by the factor in the next column.'
    ),
    'scale of the path': (
        'What the estimated path has to be multiplied by to fit best. Below 1, depth is too large.'
    ),
    'RPE 1 s': 'Error of the motion within one second: its translation, and its rotation.',
    'standing still': 'A camera that never moves, for comparison.',
    'lost': 'Frames whose motion could not be determined.',
}


def explained(names: Sequence[str]) -> str:
    """Return a list of what figures mean.

    Args:
        names: Of figures; each must have a meaning here. '' if there are none.
    """
    if not names:
        return ''
    items = ''.join(f'<dt>{escape(name)}</dt><dd>{escape(_MEANINGS[name])}</dd>' for name in names)
    return f'<dl class="words">{items}</dl>'
