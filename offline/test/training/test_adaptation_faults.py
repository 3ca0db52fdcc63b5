"""Faults that `drnet adapt` meets: unreadable images, and the work of another run."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from known_scenes import HW, Scene, write

from drnet_offline.datasets.opening import open_dataset
from drnet_offline.errors import DatasetError, OfflineError
from drnet_offline.outputs.unfinished import named_if_deleted
from drnet_offline.replay.index import index_recording
from drnet_offline.training.adaptation.dataset_frames import DatasetFrames
from drnet_offline.training.adaptation.preparing import Limits, check_enough, prepare_frames
from drnet_offline.training.adaptation.selection import survey_images
from drnet_offline.training.adaptation.sources import TOLERANCE_S, RecordedDepth
from drnet_offline.training.adaptation.state import State
from drnet_ros.inference import Settings
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import choose_topics

WRITE_FRAMES = """
import sys
from pathlib import Path
import numpy as np
from drnet_offline.errors import DatasetError, OfflineError
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


def recorded_depth(bag: Path, opened: ExitStack) -> RecordedDepth:
    recording = opened.enter_context(Recording(bag))
    index = index_recording(recording, choose_topics(recording.topics), TOLERANCE_S)
    return RecordedDepth(index, Settings())


def test_why_recorded_depth_cannot_be_learned_is_said(tmp_path: Path) -> None:
    scene = Scene.make(12)
    millimetres = tuple(10_000 * truth.astype(np.float32) for truth in scene.truths)
    bag = write(tmp_path / 'bag', replace(scene, truths=millimetres), encoding='32FC1')
    with ExitStack() as opened:
        source = recorded_depth(bag, opened)
        store = prepare_frames(source, tmp_path / 'frames', HW, Limits(24))
    ((kind, count),) = store.about['problems'].items()
    assert kind == 'depth: over 100 m, as of millimetres in 32FC1, which is metres'
    with pytest.raises(DatasetError, match=f'{count} frames: {kind}.: record longer'):
        check_enough([store])


def test_depth_of_another_clock_is_said_not_to_be_learned(tmp_path: Path) -> None:
    bag = write(tmp_path / 'bag', replace(Scene.make(3), depth_delay_ns=10**11))
    with ExitStack() as opened:
        (said,) = (text for text in recorded_depth(bag, opened).warnings if 'learned' in text)
    assert said.startswith('depth on /cam/depth/image_rect is not learned: no depth image lies')
    bag = write(tmp_path / 'right', Scene.make(3))
    with ExitStack() as opened:
        assert not [text for text in recorded_depth(bag, opened).warnings if 'learned' in text]
