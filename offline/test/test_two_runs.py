"""Two runs on one output: the second is refused before its work, and learns who is at work."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from known_scenes import RunInProcess, Scene, write

from drnet_offline.outputs.lock import OutputLock, locked_outputs

WriteFolder = Callable[..., Path]


def test_all_outputs_are_held_and_one_may_be_named_twice(tmp_path: Path) -> None:
    folder, file = tmp_path / 'folder', tmp_path / 'figures.json'
    folder.mkdir()
    with locked_outputs(folder, None, file, file):
        assert {path.name for path in tmp_path.iterdir()} == {'folder', '.figures.json.lock'}
        assert [path.name for path in folder.iterdir()] == ['.lock']
    assert [path.name for path in tmp_path.iterdir()] == ['folder']
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize('option', ['--json', '--pictures'])
def test_eval_holds_its_outputs(
    tmp_path: Path, write_folder: WriteFolder, drnet: RunInProcess, option: str
) -> None:
    data = write_folder(tmp_path / 'data', 1)
    check_refused(drnet, tmp_path / 'out', 'eval', '--data', data, option)


@pytest.mark.parametrize('option', ['--json', '--keep'])
def test_bench_holds_its_outputs(tmp_path: Path, drnet: RunInProcess, option: str) -> None:
    check_refused(drnet, tmp_path / 'out', 'bench', option)


def test_bench_holds_its_plot(tmp_path: Path, drnet: RunInProcess) -> None:
    check_refused(drnet, tmp_path / 'out.svg', 'bench', '--plot')


@pytest.mark.parametrize('option', ['--json', '--output'])
def test_vo_holds_its_outputs(tmp_path: Path, drnet: RunInProcess, option: str) -> None:
    pytest.importorskip('evo.tools.file_interface')
    bag = write(tmp_path / 'bag', Scene.make(2))
    check_refused(drnet, tmp_path / 'out', 'vo', bag, option)


@pytest.mark.parametrize(('form', 'held'), [('onnx', 'a.onnx'), ('openvino', 'a.bin')])
def test_export_holds_its_files(tmp_path: Path, drnet: RunInProcess, form: str, held: str) -> None:
    output = tmp_path / {'onnx': 'a.onnx', 'openvino': 'a.xml'}[form]
    with OutputLock(tmp_path / held):
        code, said = drnet('export', '--format', form, '--output', output)
    assert (code, f'{tmp_path / held} is being written by process' in said) == (1, True), said
    assert list(tmp_path.iterdir()) == []


def test_tum_to_bag_holds_its_output(tmp_path: Path, drnet: RunInProcess) -> None:
    check_refused(drnet, tmp_path / 'out.mcap', 'tum-to-bag', tmp_path)


def test_calibrate_holds_the_weights_that_it_changes(
    tmp_path: Path, write_folder: WriteFolder, weights: Path, drnet: RunInProcess
) -> None:
    data = write_folder(tmp_path / 'data', 1)
    with OutputLock(weights):
        code, said = drnet('calibrate', weights, '--data', data)
    assert (code, f'{weights} is being written by process' in said) == (1, True), said


def check_refused(drnet: RunInProcess, output: Path, *words: object) -> None:
    """See that a command whose last argument is a held output leaves everything as it was."""
    if words[-1] in {'--pictures', '--keep', '--output'}:
        output.mkdir()
    with OutputLock(output):
        code, said = drnet(*words, output)
    assert code == 1
    assert f'{output} is being written by process {os.getpid()} on' in said
    assert not output.exists() or list(output.iterdir()) == []
