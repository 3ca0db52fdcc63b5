"""A cloud in a page that one can turn."""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from typing import Any

__all__ = ['cloud_view']


def cloud_view(data: dict[str, Any], label: str) -> str:
    """Return HTML with a viewer.

    Args:
        data: As `cloud.cloud_data` gives it.
        label: What is shown.
    """
    script = (files('drnet_offline') / 'report' / 'viewer.js').read_text(encoding='utf-8')
    # Names are what a user typed: HTML looks for tags in scripts too, even in their strings.
    literal = json.dumps(data).replace('<', '\\u003c')
    return (
        f'<p class="note">{escape(" ".join(label.split()))}. Drag to turn, scroll to come nearer.'
        '</p><div id="choices"></div><canvas id="cloud" width="960" height="600"></canvas>\n'
        f'<script>{script}\nshowCloud(document.getElementById("cloud"), '
        f'document.getElementById("choices"), {literal});</script>'
    )
