"""What can be refused at once is refused before PyTorch is imported, which takes seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from known_scenes import RunInProcess, Scene, write

REFUSALS = {
    'bag absent': 'a recording must exist',
    'bag rec --weights absent': 'found no file at absent',
    'vo rec --versus absent.safetensors': 'found no file at absent.safetensors',
    'vo absent': 'a recording must exist',
    'predict absent --output out': 'there is no image, video or folder absent',
    'eval --data absent': 'there is no data set at absent',
    'train --config lite0 --data absent --output out': 'there is no data set at absent',
    'train --config lite0 --data data --output out --resume': 'no out/last.ckpt to resume',
    'train --config lite0 --data data --output mine': 'best.safetensors would be replaced',
    'train --config lite0 --data data --output out --set pretrained=absent': 'no file absent',
    'train --config lite0 --data data --output out --set initial_weights=absent': 'no file absent',
    'export --format onnx --output a.onnx --weights absent': 'found no file at absent',
    'export --format onnx --output folder.onnx': 'must be a file, got a folder',
    'export --format openvino --output taken.xml': 'taken.bin must be free',
    'eval --data data --json mine.safetensors': 'mine.safetensors must be free or hold figures',
    'bench --json mine.safetensors': 'mine.safetensors must be free or hold figures',
    'calibrate absent --data data': 'found no file at absent',
    'calibrate embedded --data data': "give the path of one, not 'embedded'",
    'calibrate mine.safetensors --data absent': 'there is no data set at absent',
    'adapt absent --output out': 'a recording must exist',
    'adapt data --test absent --output out': 'a recording must exist',
    'adapt data --replay-data absent --output out': 'there is no data set at absent',
    'adapt data --set max_dept=3 --output out': 'did you mean max_depth?',
    'adapt data --output done': 'done holds adapted.safetensors already',
    'show absent': 'there is no absent',
    'show data/rgb/0.png --image-topic /image': 'must be left out: data/rgb/0.png is no recording',
    'show data/rgb/0.png --output done/adapted.safetensors': 'done/adapted.safetensors',
    'tum-to-bag absent out.mcap': 'camera.txt',
    'bench --weights absent': 'found no file at absent',
}
PROGRAM = """
import sys
for name in ('torch', 'torchmetrics', 'lightning', 'openvino', 'matplotlib.pyplot'):
    sys.modules[name] = None  # whoever imports it fails
from drnet_offline.commands.cli import main
for line in sys.stdin.read().splitlines():
    sys.argv = ['drnet', *line.split()]
    print('==', line, file=sys.stderr, flush=True)
    try:
        main()
    except SystemExit as stopped:
        print(stopped.code, file=sys.stderr)
"""


def test_what_can_be_refused_at_once_does_not_wait_for_pytorch(tmp_path: Path) -> None:
    for part in ('rgb', 'depth'):
        (tmp_path / 'data' / part).mkdir(parents=True)
        (tmp_path / 'data' / part / '0.png').touch()
    (tmp_path / 'folder.onnx').mkdir()
    for folder in ('mine', 'done'):
        (tmp_path / folder).mkdir()
    taken = ('mine.safetensors', 'done/adapted.safetensors', 'mine/best.safetensors', 'taken.bin')
    for name in taken:
        (tmp_path / name).write_bytes(b'of the user')
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM],
        input='\n'.join(REFUSALS),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    blocks = dict(block.split('\n', 1) for block in done.stderr.split('== ')[1:])
    assert list(blocks) == list(REFUSALS)
    for words, said in blocks.items():
        *lines, code = said.splitlines()
        assert len(lines) == 1, said
        assert REFUSALS[words] in lines[0]
        assert code == '1'
    assert not (tmp_path / 'out').exists() or not list((tmp_path / 'out').iterdir())


@pytest.mark.parametrize(
    ('failure', 'code', 'said'),
    [
        (
            "ImportError('libtorch_cpu.so: failed to map segment from shared object')",
            1,
            'this command needs more memory than it may have, got: libtorch_cpu.so: failed to map',
        ),
        ("MemoryError('Unable to allocate 3 GiB')", 1, 'got: Unable to allocate 3 GiB; raise the'),
        ("ImportError('libgomp.so.1: cannot open shared object file')", 1, 'Traceback'),
    ],
)
def test_a_limit_of_memory_is_one_line(tmp_path: Path, failure: str, code: int, said: str) -> None:
    """As under `ulimit -v`; what is wrong with a library otherwise is for its makers."""
    (tmp_path / 'torch.py').write_text(f'raise {failure}')
    program = 'from drnet_offline.commands.cli import main; main()'
    done = subprocess.run(
        [sys.executable, '-c', program, 'export', '--format', 'openvino', '--output', 'a.xml'],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert said in done.stderr
    assert (done.stderr.count('\n') == 1) == (said != 'Traceback')


@pytest.mark.parametrize(
    ('words', 'name'),
    [
        (('predict', '', '--output', 'out'), 'an argument'),
        (('predict', 'a.png', '--output', ''), 'an argument'),
        (('bag', 'rec', '--report='), '--report'),
    ],
)
def test_an_empty_path_is_not_the_folder_of_the_command(
    drnet: RunInProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: Any, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = drnet(*words)
    assert code == 1
    assert f'{name} is empty, as of a shell variable that is not set: say what it is' in said
    assert not list(tmp_path.iterdir())


def test_a_folder_that_was_deleted_under_the_command_is_named(
    drnet: RunInProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'here').mkdir()
    monkeypatch.chdir(tmp_path / 'here')
    (tmp_path / 'here').rmdir()
    code, said = drnet('bag', write(tmp_path / 'bag', Scene.make(1)), '--json', 'figures.json')
    assert (code, 'the folder that this command runs in was deleted' in said) == (1, True)


@pytest.mark.usefixtures('known_network')
def test_a_report_without_matplotlib_is_refused_before_the_work(
    drnet: RunInProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag, report = write(tmp_path / 'bag', Scene.make(1)), tmp_path / 'report'
    monkeypatch.setitem(sys.modules, 'matplotlib', None)
    code, said = drnet('bag', bag, '--report', report)
    assert code == 1
    assert "--report needs matplotlib: pip install './offline[report]', or leave it out" in said
    assert not report.exists()
    assert drnet('bag', bag)[0] == 0
