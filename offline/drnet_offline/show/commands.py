"""What a page may ask for, checked: it is text from outside."""

from __future__ import annotations

import json
import math
from typing import Any

from drnet_offline.errors import OfflineError
from drnet_offline.show.session import Known

__all__ = ['Command', 'parse_command', 'parse_known']

Command = dict[str, Any]
"""One of: {'drawn': true}, {'set': {name: value}}, {'pause': bool}, {'forget': true},
{'record': 'mp4', 'mcap' or ''}, {'known': {'number', 'x', 'y', 'depth_m'}}."""

_TYPES: dict[str, type] = {
    'drawn': bool,
    'set': dict,
    'pause': bool,
    'forget': bool,
    'record': str,
    'known': dict,
}


def parse_command(text: str) -> Command:
    """Return what a message of a page asks for.

    Raises:
        OfflineError: It is none that there is.
    """
    try:
        command = json.loads(text)
    except ValueError:
        command = None
    if (
        not isinstance(command, dict)
        or not command
        or not all(isinstance(value, _TYPES.get(name, ())) for name, value in command.items())
    ):
        msg = f'a page must send commands out of {", ".join(_TYPES)}, got {text[:80]!r}'
        raise OfflineError(msg)
    return command


def parse_known(words: Any) -> tuple[int, Known]:
    """Return the number of the frame, and what is known in it.

    Args:
        words: 'number', 'x', 'y' and 'depth_m' by name.

    Raises:
        OfflineError: One of them is missing or impossible.
    """
    try:
        number = int(words['number'])
        x, y, depth_m = (float(words[name]) for name in ('x', 'y', 'depth_m'))
    except (KeyError, TypeError, ValueError) as error:
        msg = 'a known distance must have number, x, y and depth_m'
        raise OfflineError(msg) from error
    is_inside = 0 <= x <= 1 and 0 <= y <= 1
    if not (is_inside and math.isfinite(depth_m) and 0.05 <= depth_m <= 80):
        msg = f'a known distance must be 0.05 to 80 m, at a pixel of the image; got {depth_m} m'
        raise OfflineError(msg)
    return number, Known(x, y, depth_m)
