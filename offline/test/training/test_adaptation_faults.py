"""Faults that `drnet adapt` meets: unreadable images, and the work of another run."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from drnet_offline.datasets.opening import open_dataset
from drnet_offline.errors import OfflineError
from drnet_offline.outputs.unfinished import named_if_deleted
from drnet_offline.training.adaptation.selection import survey_images
from drnet_offline.training.adaptation.sources import DatasetFrames
from drnet_offline.training.adaptation.state import State

WRITE_FRAMES = """
import sys
from pathlib import Path
import numpy as np
from drnet_offline.errors import OfflineError
from drnet_offline.outputs.files import named_disk
from drnet_offline.training.adaptation.frame_store import LabelledFrame, write_frames
rgb, depth = np.full((64, 96, 3), 90, np.uint8), np.ones((64, 96), np.float32)
frames = (LabelledFrame(f'{n}', n, n / 10, -1, rgb, 100.0, depth) for n in range(100))
folder = Path(sys.argv[1])
try:
    with named_disk(folder):
        write_frames(folder / 'frames', frames, 100, (64, 96), {})
except OfflineError as error:
    print(error)
"""


def test_an_image_that_cannot_be_read_costs_itself_alone(
    tmp_path: Path, write_folder: Callable[..., Path]
) -> None:
    folder = write_folder(tmp_path / 'data', 3)
    broken = folder / 'rgb' / '00001.png'
    broken.write_bytes(broken.read_bytes()[:99])
    source = DatasetFrames('data', open_dataset(folder))
    survey = survey_images(source.images())
    np.testing.assert_array_equal(np.isnan(survey.sharpness), [False, True, False])
    assert [frame.position for frame in source.frames({0: -1, 1: -1, 2: 3})] == [0, 2]


def test_the_work_of_another_adaptation_is_not_deleted(tmp_path: Path) -> None:
    State(tmp_path / 'unfinished', {'steps': 1})
    assert not State(tmp_path / 'unfinished', {'steps': 2}).is_resumed  # nothing was done before
    (tmp_path / 'unfinished' / 'learned0').mkdir()
    with pytest.raises(OfflineError, match=r'interrupted run with other arguments'):
        State(tmp_path / 'unfinished', {'steps': 1})
    assert State(tmp_path / 'unfinished', {'steps': 2}).is_resumed


def test_a_folder_that_is_deleted_meanwhile_is_named(tmp_path: Path) -> None:
    state = State(tmp_path / 'unfinished', {'steps': 1})
    shutil.rmtree(state.folder)
    said = f'^{state.folder} was deleted while this run kept in it what is done, which is lost'
    with pytest.raises(OfflineError, match=said):
        state.note(steps=1)
    with pytest.raises(OfflineError, match=said), named_if_deleted(state.folder):
        state.checkpoint.read_bytes()


def test_a_full_disk_is_an_error_and_does_not_end_the_process(tmp_path: Path) -> None:
    """Frames are written to files that are mapped into memory: on a full disk that is SIGBUS."""
    mount = ['unshare', '--mount', '--map-root-user', 'mount', '-t', 'tmpfs', '-o', 'size=1m']
    if subprocess.run([*mount, 'tmpfs', tmp_path], check=False).returncode != 0:
        pytest.skip('no disk can be made here')
    program = [sys.executable, '-c', WRITE_FRAMES, tmp_path]
    mounting, writing = (
        shlex.join(map(str, words)) for words in ([*mount[3:], 'tmpfs', tmp_path], program)
    )
    done = subprocess.run(
        [*mount[:3], 'sh', '-c', f'{mounting} && {writing}'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = f'cannot write {tmp_path}: No space left on device; free or mend this place, or name'
    assert done.stdout.startswith(said)
