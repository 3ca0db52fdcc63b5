"""Tables that the benchmark scripts write into pages, between markers."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ['markdown', 'write_between_markers']


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join('| ' + ' | '.join(cells) + ' |' for cells in lines)


def write_between_markers(page: Path, texts: Mapping[str, str]) -> None:
    """Replace what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->` of a page.

    Args:
        page: The Markdown file.
        texts: New text by name; each name must be in the page once.
    """
    content = page.read_text(encoding='utf-8')
    for name, text in texts.items():
        pattern = rf'(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)'
        plain = text.replace('\\', r'\\')
        content, count = re.subn(pattern, rf'\g<1>{plain}\n\g<2>', content, flags=re.DOTALL)
        if count != 1:
            sys.exit(f'{page} must have the marker {name} once, has it {count} times')
    page.write_text(content, encoding='utf-8')
