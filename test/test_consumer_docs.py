"""docs/consumers: snippets compile and build, and name only what exists here."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from drnet_ros.inference import Settings

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / 'docs' / 'consumers').glob('*.md'))
CONSUMERS = {
    'rtabmap', 'nvblox', 'orb_slam3', 'depth_image_proc', 'nav2', 'laserscan', 'rviz',
}  # fmt: skip
OUR_OUTPUTS = {'/depth/image_rect', '/depth/camera_info', '/points', '/depth/preview'}
OUR_PARAMETERS = r"package='drnet_ros'.*?parameters=(\[.*?\]),\n\s+remappings"
has_launch = importlib.util.find_spec('launch_ros') is not None

pytestmark = pytest.mark.skipif(not PAGES, reason='docs are not installed with the package')


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf'^```{language}\n(.*?)^```$', page.read_text(), re.DOTALL | re.MULTILINE)


def snippets(language: str) -> list[Any]:
    return [
        pytest.param(text, id=f'{page.stem}-{index}')
        for page in PAGES
        for index, text in enumerate(blocks(page, language))
    ]


def test_every_consumer_has_a_page_that_the_overview_links() -> None:
    assert {page.stem for page in PAGES} == CONSUMERS | {'README'}
    overview = (ROOT / 'docs' / 'consumers' / 'README.md').read_text()
    for name in CONSUMERS:
        assert f'({name}.md)' in overview


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r'\]\(([^)#]+)\)', page.read_text()):
        assert link.startswith('https://') or (page.parent / link).exists(), link
    for path in re.findall(r'`(test/[\w/]+\.py)`', page.read_text()):
        assert (ROOT / path).is_file(), path


@pytest.mark.parametrize('text', snippets('python'))
def test_launch_files_compile_and_give_our_node_what_it_takes(text: str) -> None:
    """Parameters of ours are accepted, and topics are remapped to or from ones that exist."""
    compile(text, 'snippet', 'exec')
    ours = re.search(OUR_PARAMETERS, text, re.DOTALL)
    assert ours is not None
    (parameters,) = yaml.safe_load(ours[1])
    assert set(Settings.from_mapping(parameters).to_mapping()) >= set(parameters)
    for topic in re.findall(r"'(/[\w/]+)'", text):
        if topic.startswith('/camera/'):
            assert topic.split('/')[2] in {'image_raw', 'image_rect', 'camera_info', 'points'}
        else:
            assert topic in OUR_OUTPUTS or topic.startswith('/path/')


@pytest.mark.skipif(not has_launch, reason='launch and launch_ros are not installed')
@pytest.mark.parametrize('text', snippets('python'))
def test_launch_files_give_a_description(text: str) -> None:
    names: dict[str, Any] = {}
    exec(compile(text, 'snippet', 'exec'), names)  # noqa: S102 - our own documentation
    assert names['generate_launch_description']().entities


@pytest.mark.parametrize('text', snippets('yaml'))
def test_yaml_is_yaml(text: str) -> None:
    assert isinstance(yaml.safe_load(text), dict)


@pytest.mark.parametrize('text', snippets('bash'))
def test_launch_arguments_exist(text: str) -> None:
    launch_file = (ROOT / 'launch' / 'depth.launch.py').read_text()
    known = set(re.findall(r"DeclareLaunchArgument\(\s*'(\w+)'", launch_file))
    assert 'image' in known
    for arguments in re.findall(r'depth\.launch\.py(.*)', text):
        assert set(re.findall(r'(\w+):=', arguments)) <= known


def test_the_overview_recommends_values_that_are_allowed() -> None:
    overview = (ROOT / 'docs' / 'consumers' / 'README.md').read_text()
    section = overview.split('## 5.')[1].split('##')[0]
    rows = re.findall(r'^\| `(\w+)` \|(.*)\|$', section, re.MULTILINE)
    assert len(rows) == 7
    for name, cells in rows:
        for cell in cells.split('|'):
            value = yaml.safe_load(cell.strip() or 'null')
            if value is not None and not str(value).startswith('('):
                is_float = isinstance(getattr(Settings(), name), float)
                Settings.from_mapping({name: float(value) if is_float else value})
