"""The command line: exit code 0, 1 with one clear line on a known error, 2 on wrong usage."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from command_line import exit_code

from drnet_offline.commands import doctor

WriteFolder = Callable[..., Path]


def test_help_is_0_and_lists_the_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(monkeypatch, '--help') == 0
    listed = capsys.readouterr().out
    words = ['Try it', 'predict', 'Recordings of a robot', 'tum-to-bag', 'The network', 'export']
    places = [listed.index(word) for word in words]
    assert places == sorted(places)


def test_the_shell_completes_commands() -> None:
    asked = {'_DRNET_COMPLETE': 'complete_bash', 'COMP_WORDS': 'drnet pr', 'COMP_CWORD': '1'}
    drnet = Path(sys.executable).parent / 'drnet'
    completed = subprocess.run(
        [drnet], env={**os.environ, **asked}, capture_output=True, text=True, check=True
    )
    assert completed.stdout.split() == ['predict']


@pytest.mark.parametrize(
    'arguments',
    [
        ['fly'],
        ['train'],
        ['train', '--config', 'lite0', '--data', 'x', '--output', 'y', '--devices', '0'],
        ['train', '--config', 'lite0', '--data', 'x', '--output', 'y', '--fast'],
    ],
)
def test_wrong_usage_is_2(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    assert exit_code(monkeypatch, *arguments) == 2


@pytest.mark.parametrize(
    ('config', 'override', 'message'),
    [
        ('lite9', 'epochs=5', "no preset 'lite9'"),
        ('lite0', 'epochs', "NAME=VALUE with a YAML value, got 'epochs'"),
        ('lite0', 'epoch=5', "unknown entry 'epoch'"),
        ('lite0', 'seed=2', 'there is no data set at'),
    ],
)
def test_a_known_error_is_1_and_one_line(
    config: str,
    override: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data, output = tmp_path / 'absent', tmp_path / 'out'
    arguments = [
        'train',
        '--config',
        config,
        '--data',
        data,
        '--output',
        output,
        '--set',
        override,
    ]
    assert exit_code(monkeypatch, *arguments) == 1
    printed = capsys.readouterr().err.strip()
    assert printed.startswith('error: ')
    assert message in printed
    assert '\n' not in printed


def test_a_broken_image_is_1_and_named(
    tmp_path: Path,
    write_folder: WriteFolder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = write_folder(tmp_path / 'set', 3)
    image = data / 'rgb' / '00000.png'
    image.write_bytes(image.read_bytes()[:99])
    sets = ['data.validation_blocks=[[2, 2]]', 'data.batch_size=1', "pretrained=''"]
    arguments = ['train', '--config', 'lite0', '--data', data, '--output', tmp_path / 'out']
    assert exit_code(monkeypatch, *arguments, *(w for s in sets for w in ('--set', s))) == 1
    assert '00000.png is cut short' in capsys.readouterr().err


def test_doctor_says_what_is_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv('DRNET_CACHE_DIR', str(tmp_path / 'models'))
    assert exit_code(monkeypatch, 'doctor') == 0
    lines = capsys.readouterr().out.splitlines()
    found = {line[6:20].strip(): (line[:4].strip(), line[20:]) for line in lines}
    assert found['OpenVINO'] == ('ok', version('openvino'))
    assert found['PyTorch'] == ('ok', version('torch'))
    assert found['weights'] == ('ok', 'embedded, efficientnet_lite2')
    assert found['cache'][1].startswith(f'{tmp_path / "models"}: 0 models')
    assert found['Python'][1].startswith(platform.python_version())


def test_doctor_says_how_shared_memory_becomes_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, '_SHARED_MEMORY_BYTES', 1 << 62)
    found = {each.name: each for each in doctor.examine()}[doctor._SHARED_MEMORY]
    assert (found.state, found.advice.split(';')[0]) == ('note', 'fastdds shm clean')


def test_doctor_names_the_extra_of_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, 'version', missing)
    found = {each.name: each for each in doctor.examine()}
    states = [found[name].state for name in ('OpenVINO', 'PyTorch', 'ONNX Runtime')]
    assert states == ['bad', 'note', 'note']
    # PyTorch alone is not enough, neither for weights of one's own nor for training.
    extras = re.findall(r'pip install \S+\[(\S+)\]', found['PyTorch'].advice)
    assert extras == ['torch', 'train']
    assert "pip install '.[torch,onnxruntime]'" in found['ONNX Runtime'].advice


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(monkeypatch, '--version') == 0
    assert capsys.readouterr().out == f'drnet {version("drnet-offline")}\n'


def test_a_missing_library_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, 'torch', None)
    monkeypatch.delitem(sys.modules, 'drnet_offline.training.export', raising=False)
    output = tmp_path / 'a.onnx'
    assert exit_code(monkeypatch, 'export', '--format', 'onnx', '--output', output) == 1
    said = capsys.readouterr().err
    assert said == "error: this command needs torch: pip install './offline[train]'\n"
