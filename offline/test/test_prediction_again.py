"""drnet predict called again, and beside files of the user: nothing is stale, nothing is lost."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from known_scenes import RunInProcess
from numpy.typing import NDArray
from PIL import Image

from drnet_offline.errors import DatasetError
from drnet_offline.outputs import prediction
from drnet_offline.outputs.depth_file import is_depth_file, write_depth
from drnet_offline.outputs.inputs import Input, find_inputs
from drnet_offline.outputs.prediction import Prediction
from drnet_offline.outputs.remarks import VideoDepths

RGB: NDArray[np.uint8] = np.random.default_rng(1).integers(0, 255, (64, 96, 3), np.uint8)


def write_photo(path: Path, pixels: NDArray[np.uint8] = RGB) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def write_video(path: Path, count: int) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10, (96, 64))
    for shade in range(count):
        writer.write(np.full((64, 96, 3), 40 + shade, np.uint8))
    writer.release()
    return path


@pytest.fixture
def predict(weights: Path, drnet: RunInProcess) -> RunInProcess:
    def run(*words: object) -> tuple[int, str]:
        return drnet('predict', *words, '--weights', weights, '--engine', 'torch')

    return run


def depth_of(path: Path) -> NDArray[np.uint16]:
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    assert pixels.dtype == np.uint16
    return pixels.astype(np.uint16)


def test_depth_of_another_camera_or_without_all_files_is_made_anew(
    tmp_path: Path, predict: RunInProcess
) -> None:
    image, output = write_photo(tmp_path / 'a.png'), tmp_path / 'out'
    words = (image, '--output', output)
    assert predict(*words, '--fov', 60)[0] == 0
    wide = depth_of(output / 'a.png')
    assert '1 done already' in predict(*words, '--fov', 60)[1]
    assert 'done already' not in predict(*words, '--fov', 30)[1]
    narrow = depth_of(output / 'a.png')
    is_valid = (wide > 0) & (narrow > 0)
    ratio = np.tan(np.radians(30)) / np.tan(np.radians(15))
    np.testing.assert_allclose(narrow[is_valid] / wide[is_valid], ratio, rtol=0.01)
    for missing in ('a.png', 'a.preview.jpg'):
        (output / missing).unlink()
        assert 'done already' not in predict(*words, '--fov', 30)[1]
        assert (output / missing).is_file()
    assert 'done already' not in predict(*words, '--fov', 30, '--ply')[1]
    assert (output / 'a.ply').is_file()
    # Another image of that name, though older.
    write_photo(image, np.ascontiguousarray(RGB[::-1]))
    os.utime(image, (1, 1))
    assert 'done already' not in predict(*words, '--fov', 30, '--ply')[1]


@pytest.mark.parametrize('name', ['a.png', 'a.ply'])
def test_files_of_the_user_are_not_overwritten(
    tmp_path: Path, predict: RunInProcess, name: str
) -> None:
    image, output = write_photo(tmp_path / 'in' / 'a.png'), tmp_path / 'depth'
    output.mkdir()
    theirs = output / name
    # Recorded depth looks like ours: 16 bits, gray.
    theirs.write_bytes(cv2.imencode('.png', np.full((64, 96), 1500, np.uint16))[1].tobytes())
    before = theirs.read_bytes()
    code, said = predict(image, '--output', output, '--again', '--ply')
    assert code == 1
    assert f'{name} must be free for depth, got a file that drnet predict did not write' in said
    assert theirs.read_bytes() == before
    assert [path.name for path in output.iterdir()] == [name]


def test_frames_of_the_user_stay_and_those_of_a_longer_video_go(
    tmp_path: Path, predict: RunInProcess
) -> None:
    video, output = write_video(tmp_path / 'clip.mp4', 5), tmp_path / 'out'
    assert predict(video, '--output', output)[0] == 0
    assert len(list((output / 'clip').iterdir())) == 5
    write_video(video, 3)
    theirs = write_photo(output / 'clip' / '000009.png')
    assert predict(video, '--output', output)[0] == 0
    names = sorted(path.name for path in (output / 'clip').iterdir())
    assert names == ['000000.png', '000001.png', '000002.png', '000009.png']
    write_photo(output / 'clip' / '000001.png')
    code, said = predict(video, '--output', output, '--again')
    assert code == 1
    assert '000001.png must be free for depth' in said
    assert not is_depth_file(theirs)


def test_a_video_that_is_cut_or_none_costs_itself_alone_and_is_not_done(
    tmp_path: Path, predict: RunInProcess
) -> None:
    folder = tmp_path / 'in'
    write_photo(folder / 'z.png')
    (folder / 'none.mp4').write_bytes(b'no video')
    path = folder / 'cut.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10, (96, 64))
    rng = np.random.default_rng(1)
    for _ in range(20):
        writer.write(rng.integers(0, 255, (64, 96, 3), np.uint8))
    writer.release()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    for _ in range(2):
        code, said = predict(folder, '--output', tmp_path / 'out')
        assert code == 1
        assert 'cut.avi says that it has 20 frames' in said
        assert 'none.mp4 must be a video that FFmpeg reads' in said
        assert '2 of 3 inputs have no depth, or not all of it' in said
        assert (tmp_path / 'out' / 'z.png').is_file()


def test_depth_without_a_valid_pixel_is_an_error_each_time(
    tmp_path: Path, predict: RunInProcess
) -> None:
    image, video = write_photo(tmp_path / 'a.png'), write_video(tmp_path / 'b.mp4', 2)
    for _ in range(2):
        code, said = predict(
            image, video, '--output', tmp_path / 'out', '--camera', '0.8,0.8,0.5,0.5'
        )
        assert code == 1
        assert 'a.png: no pixel has depth within 0.1 to 10 m' in said
        assert 'focal length of 0.8 px at 96 x 64: it must be in pixels of this image' in said
        assert '2 of 2 inputs have no depth' in said


def test_depth_within_the_folder_of_images_is_no_input(
    tmp_path: Path, predict: RunInProcess
) -> None:
    write_photo(tmp_path / 'a.jpg')
    write_video(tmp_path / 'clip.mp4', 2)
    for output in (tmp_path / 'depth', tmp_path):
        for _ in range(2):
            code, said = predict(tmp_path, '--output', output, '--ply')
            assert code == 0, said
    assert '2 done already' in said
    assert [each.path.name for each in find_inputs([tmp_path]).inputs] == ['a.jpg', 'clip.mp4']
    assert not find_inputs([tmp_path]).others


def test_what_a_folder_has_besides_is_said(tmp_path: Path, predict: RunInProcess) -> None:
    folder = tmp_path / 'in'
    write_photo(folder / 'a.jpg')
    write_photo(tmp_path / 'elsewhere' / 'b.png')
    for name in ('phone.HEIC', 'raw.dng', 'notes.txt', 'README', '.hidden.heic'):
        (folder / name).write_bytes(b'x')
    (folder / 'circle').symlink_to(folder, target_is_directory=True)
    (folder / 'link').symlink_to(tmp_path / 'elsewhere', target_is_directory=True)
    found = find_inputs([folder])
    assert [str(each.name) for each in found.inputs] == ['a', 'link/b']
    assert [Path(line.partition(':')[0]).name for line in found.unread] == [
        'phone.HEIC',
        'raw.dng',
    ]
    assert found.describe_others() == '2 other files are left out (no suffix, .txt)'
    found.others.pop('')
    assert found.describe_others() == '1 other file is left out (.txt)'
    code, said = predict(folder, '--output', tmp_path / 'out')
    assert code == 1
    assert 'm, camera unknown (--fov, --camera)' in re.sub(r'\d+ ms, ', '', said)
    assert '2 other files are left out (no suffix, .txt)' in said
    assert 'pictures of type .HEIC cannot be read: convert it to JPEG or PNG' in said
    assert '2 of 4 inputs have no depth' in said
    assert (tmp_path / 'out' / 'link' / 'b.png').is_file()


def test_a_video_and_its_frames_may_not_share_a_folder(tmp_path: Path) -> None:
    write_video(tmp_path / 'clip.mp4', 1)
    write_photo(tmp_path / 'clip' / '000000.png')
    with pytest.raises(DatasetError, match=r'clip\.mp4 and .* would both write clip/000000\.png'):
        find_inputs([tmp_path])


def test_doubtful_pictures_are_pointed_out(tmp_path: Path, predict: RunInProcess) -> None:
    image = Image.fromarray(RGB)
    image.save(tmp_path / 'pages.tif', save_all=True, append_images=[image] * 2)
    gray = cv2.imencode('.png', np.full((64, 96), 1500, np.uint16))[1].tobytes()
    (tmp_path / 'depth.png').write_bytes(gray)
    write_photo(tmp_path / 'black.png', np.zeros_like(RGB))
    code, said = predict(tmp_path, '--output', tmp_path / 'out', '--camera', '80,80,300,30')
    assert code == 0
    for remark in (
        'the first of 3 pictures in the file',
        'gray of 16 bits: is it depth, and no picture?',
        'the image is black',
    ):
        assert said.count(remark) == 1
    assert said.count('principal point 300, 30 is far from the middle of 96 x 64') == 3


def test_a_depth_file_says_what_it_is_of_and_reads_as_any_png(tmp_path: Path) -> None:
    depth = np.array([[1.5, np.nan], [0.25, 9.9994]], np.float32)
    write_depth(tmp_path / 'a.png', depth, {'weights': 'abc', 'bytes': 7})
    np.testing.assert_array_equal(depth_of(tmp_path / 'a.png'), [[1500, 0], [250, 9999]])
    with Image.open(tmp_path / 'a.png') as opened:
        assert opened.info == {'drnet predict': '{"bytes": 7, "weights": "abc"}'}
        opened.verify()  # checksums of the chunks


def test_a_video_that_lacks_some_frames_says_so() -> None:
    depths = VideoDepths()
    for metres in (1.0, 2.0, np.nan):
        depths.add(np.full((8, 8), metres, np.float32))
    assert depths.describe(3) == '1.00 to 1.32 m, 3 frames, 1 without valid depth'
    assert depths.describe(4) == '1.00 to 1.32 m, 3 of the 4 frames, 1 without valid depth'
    assert depths.describe(0) == depths.describe(3)
    one = VideoDepths()
    one.add(np.full((8, 8), 1.0, np.float32))
    assert one.describe(1) == '1.00 to 1.20 m, 1 frame'
    assert depths.describe(32).startswith('1.00 to 1.32 m, 3 of the 32 frames')


def test_what_is_deleted_meanwhile_is_said(
    tmp_path: Path, predict: RunInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, output = tmp_path / 'images', tmp_path / 'out'
    for name in 'abc':
        write_photo(images / f'{name}.png')
    predict_one = Prediction.predict

    def delete_and_predict(self: Prediction, item: Input, on_frame: Any) -> str:
        if item.name.name == 'b':
            shutil.rmtree(output)
        return predict_one(self, item, on_frame)

    monkeypatch.setattr(Prediction, 'predict', delete_and_predict)
    code, said = predict(images, '--output', output)
    assert (code, '1 of 3 inputs have no depth' in said) == (1, True)
    deleted = 'its depth was deleted while this ran: the same command makes it anew'
    assert f'- {images}/a.png: {deleted}' in said
    assert {path.name for path in output.iterdir()} == {
        *('b.png', 'b.preview.jpg', 'c.png', 'c.preview.jpg')
    }
    monkeypatch.undo()
    assert predict(images, '--output', output)[0] == 0
    assert (output / 'a.png').is_file()


def test_a_file_that_is_deleted_while_it_is_written_costs_itself_alone(
    tmp_path: Path, predict: RunInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, output = tmp_path / 'images', tmp_path / 'out'
    for name in 'ab':
        write_photo(images / f'{name}.png')
    write = Path.write_bytes

    def write_and_delete(self: Path, data: bytes) -> int:
        count = write(self, data)
        if self.name.endswith('.part.png'):
            shutil.rmtree(output)
            monkeypatch.undo()
        return count

    monkeypatch.setattr(Path, 'write_bytes', write_and_delete)
    code, said = predict(images, '--output', output)
    assert (code, '1 of 2 inputs have no depth' in said) == (1, True)
    assert f'- {images}/a.png: its depth was deleted while this ran' in said
    assert (output / 'b.png').is_file()


@pytest.mark.parametrize('moment', ['read', 'known'])
def test_images_that_vanish_meanwhile_are_said_to_be_gone(
    tmp_path: Path, predict: RunInProcess, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """As of a memory stick that is pulled out; it was said that their depth was deleted."""
    images, output = tmp_path / 'images', tmp_path / 'out'
    for name in 'ab':
        write_photo(images / f'{name}.png')
    name = 'read_photo' if moment == 'read' else 'check_shape'
    call = getattr(prediction, name)

    def delete_and_call(*arguments: object) -> object:
        (images / 'a.png').unlink(missing_ok=True)
        monkeypatch.undo()
        return call(*arguments)

    monkeypatch.setattr(prediction, name, delete_and_call)
    code, said = predict(images, '--output', output)
    assert (code, '1 of 2 inputs have no depth' in said) == (1, True), said
    assert f'- cannot read {images}/a.png: No such file or directory' in said
    assert 'was deleted while this ran' not in said
    assert (output / 'b.png').is_file()


def test_links_to_nothing_and_pipes_are_named(tmp_path: Path) -> None:
    images = tmp_path / 'images'
    write_photo(images / 'a.png')
    (images / 'b.jpg').symlink_to('nowhere.jpg')  # as of git-annex, where the data are elsewhere
    os.mkfifo(images / 'c.png')
    found = find_inputs([images])
    assert [each.path.name for each in found.inputs] == ['a.png']
    assert found.unread == [
        f'{images}/b.jpg must be a file, got a link to nothing',
        f'{images}/c.png must be a file, got a pipe or a device',
    ]
    for path in (images / 'c.png', Path('/dev/null')):
        with pytest.raises(DatasetError, match='must be a file or a folder, got a pipe or a'):
            find_inputs([path])
    assert not is_depth_file(images / 'c.png')
