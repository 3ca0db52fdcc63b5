"""The pages: every link leads to a file, every anchor to a heading, and rosdoc2 shows all."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

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


def test_the_readme_has_the_accuracy_of_the_model_card() -> None:
    card = (ROOT / 'drnet_ros' / 'weights' / 'README.md').read_text('utf-8')
    begins = ('validation blocks of NYU', 'TUM freiburg1_rpy', 'the bundled clip')
    rows = [line.split(' | ') for line in card.splitlines() if line[2:].startswith(begins)]
    measured = [f'{100 * float(cell.rstrip(" |")):.1f}' for row in rows for cell in row[-2:]]
    readme = (ROOT / 'README.md').read_text('utf-8')
    told = readme.partition('**How exact**')[2].partition('[How this was measured]')[0]
    assert len(measured) == 6
    assert re.findall(r'([\d.]+\.\d) %', told) == measured


def test_rosdoc2_shows_every_page_of_docs() -> None:
    manifest = ET.parse(ROOT / 'package.xml').getroot()  # noqa: S314 - our own file
    config = ROOT / str(manifest.findtext('export/rosdoc2'))
    _, settings = yaml.safe_load_all(config.read_text('utf-8'))
    (builder,) = settings['builders']
    docs = ROOT / builder['sphinx']['sphinx_sourcedir']
    listed = re.findall(r'^   ([\w/*]+)$', (docs / 'index.rst').read_text('utf-8'), re.MULTILINE)
    shown = {page for pattern in listed for page in docs.glob(f'{pattern}.md')}
    assert shown == {page for page in PAGES if page.parent in {docs, docs / 'consumers'}}
