"""Files that launch arguments name: found where people mean them, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from drnet_ros.errors import DrnetError
from drnet_ros.node.launch_paths import (
    existing_path,
    misspelled,
    overruled,
    params_path,
    weights_value,
)

CONFIG = Path(__file__).parents[2] / 'config'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder and working directory with my.yaml, my.safetensors and a folder."""
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ('my.yaml', 'my.safetensors', 'with space.yaml'):
        (tmp_path / name).touch()
    (tmp_path / 'folder').mkdir()
    return tmp_path


@pytest.mark.parametrize('text', ['~/my.yaml', 'my.yaml', './my.yaml', 'folder/../my.yaml'])
def test_parameter_file_is_found_by_its_path(home: Path, text: str) -> None:
    assert params_path(text, CONFIG).resolve() == (home / 'my.yaml').resolve()


def test_a_path_may_have_spaces(home: Path) -> None:
    assert params_path('~/with space.yaml', CONFIG) == home / 'with space.yaml'


@pytest.mark.parametrize('text', ['resnet50', 'resnet50.yaml'])
@pytest.mark.usefixtures('home')
def test_a_bare_name_is_a_file_in_config(text: str) -> None:
    assert params_path(text, CONFIG) == CONFIG / 'resnet50.yaml'


def test_a_file_of_the_users_goes_before_one_in_config(home: Path) -> None:
    (home / 'resnet50.yaml').touch()
    assert params_path('resnet50.yaml', CONFIG) == home / 'resnet50.yaml'
    assert params_path('resnet50', CONFIG) == CONFIG / 'resnet50.yaml'


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('/nope.yaml', "params_file must exist, found nothing at '/nope.yaml'"),
        ('~/nope.yaml', "params_file must exist, found nothing at '~/nope.yaml'"),
        ('~nobody_here/my.yaml', "params_file must be a path that can be read, got '~nobody"),
        ('./folder', 'params_file must be a file, got the folder'),
        ('/dev/null', 'params_file must be a file, got the device or pipe /dev/null'),
        ('resnet5', "got 'resnet5'; did you mean resnet50?"),
        ('mine', "got 'mine'; give a path, such as ./my.yaml"),
        ('', "got ''; give a path"),
    ],
)
@pytest.mark.usefixtures('home')
def test_a_parameter_file_that_is_not_there_is_refused(text: str, message: str) -> None:
    with pytest.raises(DrnetError) as refusal:
        params_path(text, CONFIG)
    assert message in str(refusal.value)
    assert '\n' not in str(refusal.value)


def test_other_parameter_files_are_found_and_refused_likewise(home: Path) -> None:
    argument = 'costmap_params_file'
    assert params_path('~/my.yaml', CONFIG, argument) == home / 'my.yaml'
    assert params_path('nav2_costmap', CONFIG, argument) == CONFIG / 'nav2_costmap.yaml'
    with pytest.raises(DrnetError, match=r'^costmap_params_file must be a file, got the folder'):
        params_path('./folder', CONFIG, argument)


def test_weights_and_recordings_may_start_with_the_home_folder(home: Path) -> None:
    assert weights_value('embedded') == 'embedded'
    assert weights_value('~/my.safetensors') == str(home / 'my.safetensors')
    assert weights_value('my.safetensors') == str(home / 'my.safetensors')
    assert existing_path('bag', '~/folder') == home / 'folder'
    with pytest.raises(DrnetError, match=r'found no file at .*/nope.safetensors'):
        weights_value('~/nope.safetensors')
    with pytest.raises(DrnetError, match=r"bag must exist, found nothing at '~/nope' \(seen from"):
        existing_path('bag', '~/nope')


def test_launch_arguments_that_are_near_to_others_have_no_effect_and_are_named() -> None:
    names = ['weights', 'image', 'camera_info', 'params_file', 'rviz_frame', 'sources']
    given = {'weight': '/w', 'image': 'a', 'param_file': 'b', 'map_frame': 'map'}
    assert misspelled(given, names) == [
        'launch argument weight:=/w is unknown and has no effect; did you mean weights?',
        'launch argument param_file:=b is unknown and has no effect; did you mean params_file?',
    ]


def test_what_launch_ros_keeps_among_the_arguments_is_none() -> None:
    given = {'ros_namespace': '/robot', 'ros_remaps': 'a', 'global_params': 'b'}
    assert misspelled(given, ['namespace', 'remaps', 'params']) == []


def test_launch_arguments_that_a_file_sets_itself_are_named_with_what_to_give() -> None:
    given = {'image': '/cam/image', 'bag': 'b'}
    assert overruled(given, {'image': 'recorded_image', 'namespace': 'robot'}) == [
        'launch argument image:=/cam/image has no effect here; give recorded_image'
    ]
