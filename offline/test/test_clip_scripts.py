"""The scripts of offline/clip: they make the bundled clip, and the longer walk and its halves."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from add_sensors import add_sensors, mounts, odometry
from cut_walk import FIRST, cut_walk
from rendered_recordings import CLIP, WALK
from robot import RAYS, base_pose, odometry_poses, odometry_times_s, scan_times_s
from write_bag import TOPICS, camera_info, make_header, pose_message, write_bag

from drnet_ros.messages.reading import stamp_ns
from drnet_ros.messages.sparse_reading import odometry_pose
from drnet_ros.recordings.recording import Recording

BAG = Path(__file__).parents[1] / 'clip' / 'room'
MIDDLE_NS = 1_700_000_015_000_000_000


def test_the_scripts_make_the_messages_of_the_bundled_clip() -> None:
    made = [each for each in (mounts(), *odometry(CLIP)) if each.topic != '/tf']
    with Recording(BAG) as recording:
        kept = list(recording.messages(['/odom', '/tf_static']))
        assert [each.topic for each in made] == [each.topic for each in kept]
        assert [each.recorded_ns for each in made] == [each.stamp_ns for each in kept]
        assert made[0].data == kept[0].data
        poses = odometry_poses(CLIP, np.random.default_rng(2))
        for pose, each in zip(poses, kept[1:], strict=True):
            np.testing.assert_allclose(odometry_pose(recording.deserialize(each)), pose, atol=1e-9)
        infos = [recording.deserialize(m) for m in recording.messages(['/camera/camera_info'])]
        stamped = [recording.deserialize(m) for m in recording.messages(['/camera/pose'])]
    assert len(infos) == len(stamped) == CLIP.frame_count
    for frame, (info, pose) in enumerate(zip(infos, stamped, strict=True)):
        header = make_header(stamp_ns(info), 'camera_optical_frame')
        again = camera_info(CLIP, header)
        assert (again.width, again.height) == (info.width, info.height)
        assert again.k.tolist() == info.k.tolist()
        place = pose_message(CLIP, frame, stamp_ns(pose)).pose.position
        kept_place = pose.pose.position
        np.testing.assert_allclose(
            (place.x, place.y, place.z), (kept_place.x, kept_place.y, kept_place.z), atol=1e-9
        )


def test_the_walk_goes_round_its_room() -> None:
    places = np.array([WALK.optical_pose(frame)[:3, 3] for frame in range(WALK.frame_count)])
    assert np.linalg.norm(np.diff(places, axis=0), axis=1).sum() == pytest.approx(6.33, abs=0.005)
    np.testing.assert_allclose(places[0], [3.2 + 1.3 * 0.5, 2.95 - 1.1 * 0.75**0.5, 1.33])
    np.testing.assert_allclose(places[-1], [3.2 - 1.3 * 0.5, 2.95 - 1.1 * 0.75**0.5, 1.33])
    forward = WALK.optical_pose(0)[:3, 2]
    assert np.rad2deg(np.arctan2(forward[1], forward[0])) == pytest.approx(2.0)
    pitch_deg = -12.75 + 1.5 * np.sin(0.4)
    assert np.rad2deg(np.arcsin(forward[2])) == pytest.approx(pitch_deg)


def test_odometry_of_the_walk_is_two_percent_too_long() -> None:
    measured = np.array([p[:3, 3] for p in odometry_poses(WALK, np.random.default_rng(2))])
    times_s = odometry_times_s(WALK).tolist()
    assert times_s[-1] == 29.8
    true = np.array([base_pose(WALK, time_s)[:3, 3] for time_s in times_s])
    lengths = [np.linalg.norm(np.diff(p, axis=0), axis=1).sum() for p in (measured, true)]
    # Noise of 0.1 mm on steps of 5 mm makes the way longer by less than 0.1 %.
    assert lengths[0] == pytest.approx(1.02 * lengths[1], rel=0.002)


@pytest.mark.slow
def test_halves_of_the_walk_share_nothing_but_the_mounts(tmp_path: Path) -> None:
    frames = tmp_path / 'frames'
    frames.mkdir()
    for frame in range(WALK.frame_count):
        cv2.imwrite(str(frames / f'{frame:03d}.png'), np.full((6, 8, 3), frame, np.uint8))
        np.save(frames / f'{frame:03d}.npy', np.full((6, 8), 1 + frame / 100, np.float32))
    write_bag(WALK, frames, tmp_path / 'camera')
    scans = np.full((len(scan_times_s(WALK)), RAYS), 2.0)
    add_sensors(WALK, tmp_path / 'camera', scans, tmp_path / 'whole')
    cut_walk(tmp_path / 'whole', tmp_path / 'halves')
    # Scans begin at 12 ms and are recorded 100 ms later; the middle is 15 s after the start.
    counts = {'/scan': 149, '/odom': 600, '/tf': 600, '/tf_static': 1}
    whole = _messages(tmp_path / 'whole')
    assert set(whole) == {*TOPICS, *counts}
    for name in ('second', *FIRST):
        half = _messages(tmp_path / 'halves' / name)
        for topic, found in half.items():
            is_first = [stamp < MIDDLE_NS for stamp, _ in found]
            assert all(is_first) if name in FIRST else not any(is_first)
            assert len(found) == counts.get(topic, 75)
            kept = [each for each in whole[topic] if (each[0] < MIDDLE_NS) == (name in FIRST)]
            assert found == kept
    second = _messages(tmp_path / 'halves' / 'second')
    assert '/camera/depth/image_rect/compressedDepth' in second
    assert set(_messages(tmp_path / 'halves' / 'first_odom')) == {
        '/camera/image_raw/compressed', '/camera/camera_info', '/odom', '/tf', '/tf_static'
    }  # fmt: skip


def _messages(bag: Path) -> dict[str, list[tuple[int, bytes]]]:
    """When each message of a recording is recorded, and its bytes."""
    found: dict[str, list[tuple[int, bytes]]] = {}
    with Recording(bag) as recording:
        for message in recording.messages(list(recording.topics)):
            found.setdefault(message.topic, []).append((message.stamp_ns, message.data))
    return found
