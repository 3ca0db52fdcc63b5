"""Generated files are up to date, complete, and read back as the settings they came from."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from drnet_ros.inference import PARAMETERS, Settings
from drnet_ros.inference.settings.docs import generated_files, main

ROOT = Path(__file__).resolve().parents[3]


def test_files_in_the_source_tree_are_up_to_date() -> None:
    assert main(['--check', '--root', str(ROOT)]) == 0


def test_check_names_what_is_out_of_date(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['--root', str(tmp_path)]) == 0
    assert main(['--check', '--root', str(tmp_path)]) == 0
    (tmp_path / 'config/depth.yaml').write_text('stale', encoding='utf-8')
    assert main(['--check', '--root', str(tmp_path)]) == 1
    assert 'config/depth.yaml' in capsys.readouterr().err
    assert (tmp_path / 'config/depth.yaml').read_text(encoding='utf-8') == 'stale'


def test_depth_yaml_holds_the_defaults_in_their_types() -> None:
    values = yaml.safe_load(generated_files()['config/depth.yaml'])['/**']['ros__parameters']
    assert list(values) == [spec.name for spec in PARAMETERS]
    assert Settings.from_mapping(values) == Settings()
    for name, value in Settings().to_mapping().items():
        assert isinstance(values[name], list if isinstance(value, tuple) else type(value))


@pytest.mark.parametrize('backbone', ['resnet50', 'resnet152', 'densenet161', 'senet154'])
@pytest.mark.parametrize('guided', [False, True])
def test_each_paper_backbone_has_a_file(backbone: str, guided: bool) -> None:
    name = f'config/{backbone}{"_guided" * guided}.yaml'
    settings = Settings.from_mapping(
        yaml.safe_load(generated_files()[name])['/**']['ros__parameters']
    )
    assert (settings.backbone, settings.guided_filter) == (backbone, guided)
    # All else is as everywhere, but for depth as in the paper.
    assert settings == Settings(
        backbone=backbone, guided_filter=guided, weights=settings.weights, refine_edges=False
    )
    assert Settings().refine_edges


def test_table_has_a_row_for_each_parameter_and_no_long_yaml_lines() -> None:
    page = generated_files()['docs/parameters.md']
    for spec in PARAMETERS:
        assert page.count(f'| `{spec.name}` |') == 1
    assert max(map(len, generated_files()['config/depth.yaml'].splitlines())) <= 99
