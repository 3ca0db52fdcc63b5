"""The examples run as a reader would run them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from known_scenes import Scene, write
from plyfile import PlyData

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[1] / 'examples'


def run(name: str, *words: object) -> str:
    return subprocess.run(
        [sys.executable, EXAMPLES / name, *map(str, words)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture(scope='module')
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('photo') / 'photo.jpg'
    shades = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
    cv2.imwrite(str(path), cv2.resize(shades, (64, 48), interpolation=cv2.INTER_CUBIC))
    return path


def test_the_lines_of_the_readme(photo: Path, tmp_path: Path) -> None:
    shutil.copy(photo, tmp_path / 'photo.jpg')
    text = (EXAMPLES.parents[1] / 'README.md').read_text(encoding='utf-8')
    lines = text.partition('## From Python\n```python\n')[2].partition('```')[0]
    assert 'DepthEstimator' in lines
    subprocess.run([sys.executable, '-c', lines], cwd=tmp_path, check=True)
    depth = cv2.imread(str(tmp_path / 'depth.png'), cv2.IMREAD_UNCHANGED)
    colours = cv2.imread(str(tmp_path / 'colours.png'))
    assert depth is not None
    assert colours is not None
    assert depth.dtype == np.uint16
    assert (depth.shape, colours.shape) == ((48, 64), (48, 64, 3))
    points = PlyData.read(str(tmp_path / 'cloud.ply'))['vertex']
    assert len(points) == np.count_nonzero(depth)


def test_image(photo: Path, tmp_path: Path) -> None:
    said = run('image.py', photo, tmp_path)
    depth = cv2.imread(str(tmp_path / 'depth.png'), cv2.IMREAD_UNCHANGED)
    assert depth is not None
    assert depth.shape == (48, 64)
    valid = depth[depth > 0]
    assert said.startswith(f'{valid.min() / 1000:.2f} to {valid.max() / 1000:.2f} m')
    assert len(PlyData.read(str(tmp_path / 'cloud.ply'))['vertex']) == valid.size
    colours = cv2.imread(str(tmp_path / 'colours.png'))
    assert colours is not None
    assert colours.shape == (48, 64, 3)


def test_video(tmp_path: Path) -> None:
    path = tmp_path / 'clip.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10, (64, 48))
    for shade in (30, 90, 150):
        writer.write(np.full((48, 64, 3), shade, np.uint8))
    writer.release()
    assert run('video.py', path, tmp_path / 'a.csv') == '3 frames\n'
    lines = (tmp_path / 'a.csv').read_text().split()
    assert [line.partition(',')[0] for line in lines[1:]] == ['0.000', '0.100', '0.200']
    assert run('webcam.py', path).count('+-') == 3, 'a file in place of the camera'


def test_recording(tmp_path: Path) -> None:
    scene = Scene.make(3)
    bag = write(tmp_path / 'bag', scene)
    assert run('recording.py', bag, tmp_path / 'a.csv') == '3 images\n'
    lines = (tmp_path / 'a.csv').read_text().split()
    assert [int(line.partition(',')[0]) for line in lines[1:]] == list(scene.stamps)


def test_sparse_depth(photo: Path) -> None:
    without = float(run('sparse_depth.py', photo, 1.0).split()[1])
    known = 2 * without
    _, after, factor = run('sparse_depth.py', photo, known).splitlines()
    assert float(after.split()[1]) == pytest.approx(known, rel=0.1)
    assert float(factor.split()[1]) == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize(
    ('name', 'words', 'said'),
    [
        ('webcam.py', ['77'], 'error: webcam 77 cannot be opened: is it plugged in'),
        ('image.py', ['no.jpg', 'out'], "error: [Errno 2] No such file or directory: 'no.jpg'"),
        ('video.py', ['no.mp4', 'a.csv'], 'error: '),
        ('recording.py', ['no', 'a.csv'], 'error: a recording must exist'),
        ('sparse_depth.py', ['no.jpg', '2'], "error: [Errno 2] No such file or directory: 'no."),
        ('image.py', [], 'Depth of a photo: python image.py photo.jpg output/'),
        ('video.py', ['a.mp4'], 'Depth of each frame of a video: python video.py clip.mp4'),
        ('recording.py', [], 'Depth of the images of a recording: python recording.py BAG'),
        ('sparse_depth.py', ['a.jpg'], 'The scale from one known distance: python sparse_depth'),
    ],
)
def test_what_cannot_be_read_is_one_line_and_exit_code_1(
    tmp_path: Path, name: str, words: list[str], said: str
) -> None:
    command = [sys.executable, str(EXAMPLES / name), *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert done.stderr.count('\n') == 1
