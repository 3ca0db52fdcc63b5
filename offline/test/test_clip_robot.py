"""The robot of the bundled clip: its scan sees what the images show, and its frames agree."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from drnet_ros.inference.sparse_depth.sources.transforms import TransformBuffer
from drnet_ros.messages.reading import decode_depth_message, stamp_ns
from drnet_ros.messages.sparse_reading import add_transforms, odometry_pose
from drnet_ros.recordings.recording import Recording

BAG = Path(__file__).parents[1] / 'clip' / 'room'
DEPTH = '/camera/depth/image_rect/compressedDepth'
OPTICAL, LASER = 'camera_optical_frame', 'laser'
FOCAL, CENTRE = 525.0, (319.5, 239.5)

Array = npt.NDArray[np.float64]


@pytest.fixture(scope='module')
def recording() -> Iterator[Recording]:
    with Recording(BAG) as opened:
        yield opened


@pytest.fixture(scope='module')
def transforms(recording: Recording) -> TransformBuffer:
    """All of /tf and /tf_static."""
    buffer = TransformBuffer()
    for message in recording.messages(['/tf', '/tf_static']):
        is_static = message.topic == '/tf_static'
        assert not add_transforms(recording.deserialize(message), buffer, is_static=is_static)
    return buffer


def messages(recording: Recording, topic: str) -> list[Any]:
    return [recording.deserialize(message) for message in recording.messages([topic])]


def pose_of(stamped: Any) -> Array:
    place, turn = stamped.pose.position, stamped.pose.orientation
    axis = np.array([turn.x, turn.y, turn.z])
    half = np.arctan2(np.linalg.norm(axis), turn.w)
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(axis / np.linalg.norm(axis) * 2 * half)[0]
    pose[:3, 3] = place.x, place.y, place.z
    return pose


def test_tf_takes_the_drift_out_of_odometry(
    recording: Recording, transforms: TransformBuffer
) -> None:
    for stamped in messages(recording, '/camera/pose'):
        found = transforms.lookup('map', OPTICAL, stamp_ns(stamped))
        np.testing.assert_allclose(found, pose_of(stamped), atol=1e-9)


def test_odometry_drifts_and_is_the_same_on_tf(
    recording: Recording, transforms: TransformBuffer
) -> None:
    moved = messages(recording, '/odom')
    for message in moved:
        assert (message.header.frame_id, message.child_frame_id) == ('odom', 'base_link')
        found = transforms.lookup('odom', 'base_link', stamp_ns(message))
        np.testing.assert_allclose(found, odometry_pose(message), atol=1e-9)
    measured = np.array([odometry_pose(message)[:3, 3] for message in moved])
    true = np.array([pose_of(stamped)[:3, 3] for stamped in messages(recording, '/camera/pose')])
    # The camera is ahead of the base: it goes a little further in the turn.
    assert np.linalg.norm(np.diff(measured, axis=0), axis=1).sum() == pytest.approx(
        1.02 * np.linalg.norm(np.diff(true, axis=0), axis=1).sum(), rel=0.05
    )
    stamps = (stamp_ns(moved[0]), stamp_ns(moved[-1]))
    first, last = (transforms.lookup('map', 'odom', stamp) for stamp in stamps)
    drift = np.linalg.inv(first) @ last
    assert 0.01 < np.linalg.norm(drift[:3, 3]) < 0.05


def test_velocity_is_that_of_the_poses(recording: Recording) -> None:
    for before, after in pairwise(messages(recording, '/odom')):
        step = np.linalg.inv(odometry_pose(before)) @ odometry_pose(after)
        linear = after.twist.twist.linear
        np.testing.assert_allclose((linear.x, linear.y, linear.z), step[:3, 3] / 0.025, atol=1e-9)


def test_the_scan_sees_what_the_images_show(
    recording: Recording, transforms: TransformBuffer
) -> None:
    depths = {stamp_ns(message): message for message in messages(recording, DEPTH)}
    errors, shares = [], []
    for message in messages(recording, '/scan'):
        ranges = message.ranges.astype(np.float64)
        assert len(ranges) == 720
        assert np.isnan(ranges).mean() < 0.05
        is_hit = np.isfinite(ranges)
        assert 0.4 < ranges[is_hit].min() < ranges[is_hit].max() < 8.05
        begin_ns = stamp_ns(message)
        # The image nearest to the middle of the scan, in which the laser looks ahead.
        image_ns = min(depths, key=lambda each: abs(each - begin_ns - 50_000_000))
        optical = transforms.lookup(OPTICAL, 'map', image_ns)
        rays = np.flatnonzero(is_hit)
        rays = rays[abs(rays - 360) < 60]
        step_ns = message.time_increment * 1e9
        lasers = [
            transforms.lookup('map', LASER, begin_ns + round(ray * step_ns))
            for ray in rays.tolist()
        ]
        points = np.array(
            [
                (optical @ laser @ (*point(message, ray), 1.0))[:3]
                for ray, laser in zip(rays.tolist(), lasers, strict=True)
            ]
        )
        truth = decode_depth_message(depths[image_ns])
        column = np.rint(points[:, 0] / points[:, 2] * FOCAL + CENTRE[0]).astype(int)
        row = np.rint(points[:, 1] / points[:, 2] * FOCAL + CENTRE[1]).astype(int)
        is_inside = (column >= 0) & (column < 640) & (row >= 0) & (row < 480)
        shares.append(is_inside.mean())
        error = points[is_inside, 2] - truth[row[is_inside], column[is_inside]]
        errors.append(error[np.isfinite(error)])
    assert np.mean(shares) > 0.9
    found = np.concatenate(errors)
    # 1 cm of noise; what only one of the two sees past the other is far from that.
    assert np.median(abs(found)) < 0.009
    assert np.std(found[abs(found) < 0.05]) == pytest.approx(0.01, rel=0.15)
    assert np.mean(abs(found) < 0.05) > 0.9


def point(message: Any, ray: int) -> tuple[float, float, float]:
    angle, distance = message.angle_min + ray * message.angle_increment, message.ranges[ray]
    return distance * np.cos(angle), distance * np.sin(angle), 0.0
