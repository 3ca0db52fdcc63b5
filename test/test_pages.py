"""The pages: every link leads to a file, and every anchor to a heading."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page
    for folder in (
        '.',
        'docs',
        'docs/lab',
        'docs/consumers',
        'offline',
        'offline/clip',
        'offline/examples',
        'drnet_ros/weights',
    )
    for page in (ROOT / folder).glob('*.md')
)
LINK = re.compile(r'\]\(([^)\s#]*)(?:#([^)\s]+))?\)')
FENCED = re.compile(r'^ *```.*?^ *```', re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.skipif(not PAGES, reason='pages are not installed with the package')


def anchors(page: Path) -> set[str]:
    """Names that GitHub gives the headings of a page."""
    headings = re.findall(r'^#+ (.+)$', FENCED.sub('', page.read_text('utf-8')), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_anchors_lead_somewhere(page: Path) -> None:
    lost = []
    for path, anchor in LINK.findall(FENCED.sub('', page.read_text('utf-8'))):
        if path.startswith('http'):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(f'{path}#{anchor}')
    assert lost == []
