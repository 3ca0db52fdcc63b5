"""The bundled clip: its layout in the bag, and that depth, intrinsics and poses agree."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

pytestmark = pytest.mark.slow

BAG = Path(__file__).parents[1] / 'clip' / 'room'
STORE = get_typestore(Stores.ROS2_JAZZY)
IMAGE = '/camera/image_raw/compressed'
INFO = '/camera/camera_info'
DEPTH = '/camera/depth/image_rect/compressedDepth'
POSE = '/camera/pose'
TF, TF_STATIC, ODOM, SCAN = '/tf', '/tf_static', '/odom', '/scan'
FRAMES = 64
PAIRS = ((0, 1), (10, 16), (30, 20), (40, 56), (5, 35), (63, 33))
FOCAL = 525.0

Array = npt.NDArray[np.float64]
Messages = dict[str, list[Any]]


@dataclass(frozen=True)
class Frame:
    """One decoded frame: grey 0..255, depth in metres (0 invalid), 4x4 optical to map."""

    grey: Array
    depth_m: Array
    pose: Array


@pytest.fixture(scope='module')
def messages() -> Messages:
    """All messages of the bag by topic, in order."""
    found: Messages = {}
    with Reader(BAG) as reader:
        for connection, _, data in reader.messages():
            message = STORE.deserialize_cdr(data, connection.msgtype)
            found.setdefault(connection.topic, []).append(message)
    return found


def rotation_matrix(turn: Any) -> Array:
    """Returns the 3x3 matrix of a unit quaternion message."""
    x, y, z, w = turn.x, turn.y, turn.z, turn.w
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


@pytest.fixture(scope='module')
def frames(messages: Messages) -> list[Frame]:
    """All frames, decoded."""
    decoded = []
    for image, depth, stamped in zip(
        messages[IMAGE], messages[DEPTH], messages[POSE], strict=True
    ):
        grey = cv2.imdecode(image.data, cv2.IMREAD_GRAYSCALE)
        depth_mm = cv2.imdecode(depth.data[12:], cv2.IMREAD_UNCHANGED)
        assert grey is not None
        assert depth_mm is not None
        assert grey.shape == depth_mm.shape == (480, 640)
        assert depth_mm.dtype == np.uint16
        pose = np.eye(4)
        pose[:3, :3] = rotation_matrix(stamped.pose.orientation)
        place = stamped.pose.position
        pose[:3, 3] = (place.x, place.y, place.z)
        depth_m = np.asarray(depth_mm, np.float64) / 1000
        decoded.append(Frame(grey.astype(float), depth_m, pose))
    return decoded


def points_in_map(frame: Frame, focal: float = FOCAL) -> Array:
    """Back-projects every pixel; shape (480, 640, 3), metres in `map`."""
    v, u = np.mgrid[0:480, 0:640]
    rays = np.stack([(u - 319.5) / focal, (v - 239.5) / focal, np.ones((480, 640))], axis=-1)
    return np.asarray((rays * frame.depth_m[..., None]) @ frame.pose[:3, :3].T + frame.pose[:3, 3])


def reproject(first: Frame, second: Frame, focal: float = FOCAL) -> tuple[Array, Array]:
    """Moves the depth of `first` into `second` by the poses.

    Returns:
        Depth residuals in metres and grey residuals, where both frames see the same surface: the
        pixel lands inside, away from depth edges, and is not hidden (residual below 2 percent).
    """
    seen = (points_in_map(first, focal) - second.pose[:3, 3]) @ second.pose[:3, :3]
    z = np.maximum(seen[..., 2], 1e-6)
    column = (seen[..., 0] / z * focal + 319.5).astype(np.float32)
    row = (seen[..., 1] / z * focal + 239.5).astype(np.float32)
    # Inverse depth is linear in the picture on a plane, so interpolating it there is exact.
    inverse = np.where(second.depth_m > 0, 1 / np.maximum(second.depth_m, 1e-3), 0)
    sampled = cv2.remap(inverse, column, row, cv2.INTER_LINEAR, borderValue=(0.0,))
    grey = cv2.remap(second.grey, column, row, cv2.INTER_LINEAR)
    inside = (column > 1) & (column < 638) & (row > 1) & (row < 478) & (sampled > 0)
    visible = inside & (first.depth_m > 0) & ~near_edge(first)
    depth_error = np.abs(z - 1 / np.maximum(sampled, 1e-6))
    same = visible & (depth_error < 0.02 * z)
    assert same.sum() > 0.75 * visible.sum()
    return depth_error[same], np.abs(first.grey - grey)[same]


def near_edge(frame: Frame) -> npt.NDArray[np.bool_]:
    """Marks pixels whose 3x3 neighbourhood spans more than 3 percent in depth."""
    kernel = np.ones((3, 3), np.uint8)
    span = cv2.dilate(frame.depth_m, kernel) - cv2.erode(frame.depth_m, kernel)
    return np.asarray(span > 0.03 * frame.depth_m)


def test_bag_is_complete_and_small(messages: Messages) -> None:
    """The camera has 64 messages a topic, the robot's sensors theirs; all is below 10 MB."""
    camera = dict.fromkeys((IMAGE, INFO, DEPTH, POSE), FRAMES)
    sensors = {TF_STATIC: 1, TF: 127, ODOM: 127, SCAN: 31}
    assert {topic: len(found) for topic, found in messages.items()} == camera | sensors
    assert sum(path.stat().st_size for path in BAG.iterdir()) <= 10_000_000


def test_headers_match_at_20_hz(messages: Messages) -> None:
    """Image, info and depth share stamp and frame; poses share the stamp; steps are 50 ms."""
    stamps = []
    for image, info, depth, pose in zip(
        *(messages[topic] for topic in (IMAGE, INFO, DEPTH, POSE)), strict=True
    ):
        assert image.header == info.header == depth.header
        assert image.header.frame_id == 'camera_optical_frame'
        assert image.header.stamp == pose.header.stamp
        assert pose.header.frame_id == 'map'
        stamps.append(image.header.stamp.sec * 1_000_000_000 + image.header.stamp.nanosec)
    assert set(np.diff(stamps)) == {50_000_000}


def test_encodings_are_those_of_ros_transports(messages: Messages) -> None:
    """JPEG and the 12-byte compressedDepth header are where subscribers look for them."""
    for image, depth in zip(messages[IMAGE], messages[DEPTH], strict=True):
        assert image.format == 'rgb8; jpeg compressed bgr8'
        assert bytes(image.data[:2]) == b'\xff\xd8'
        assert depth.format == '16UC1; compressedDepth png'
        assert struct.unpack('<iff', bytes(depth.data[:12])) == (0, 0.0, 0.0)
        assert bytes(depth.data[12:16]) == b'\x89PNG'


def test_camera_info_is_an_undistorted_pinhole(messages: Messages) -> None:
    """K, P, R and D are those of a centred pinhole of 525 px, the same in every frame."""
    for info in messages[INFO]:
        assert (info.width, info.height, info.distortion_model) == (640, 480, 'plumb_bob')
        assert info.k.tolist() == [FOCAL, 0, 319.5, 0, FOCAL, 239.5, 0, 0, 1]
        assert info.p.reshape(3, 4)[:, :3].ravel().tolist() == info.k.tolist()
        assert info.p.reshape(3, 4)[:, 3].tolist() == [0, 0, 0]
        assert info.r.tolist() == np.eye(3).ravel().tolist()
        assert info.d.tolist() == [0] * 5


def test_depth_covers_near_and_far(frames: list[Frame]) -> None:
    """Depth spans 0.6 to 5 m of room; only the view through the window is invalid."""
    for frame in frames:
        valid = frame.depth_m[frame.depth_m > 0]
        assert valid.size > 0.9 * frame.depth_m.size
        assert 0.6 < valid.min() < 1.2
        assert 3.5 < valid.max() < 5.1


def test_camera_moves_smoothly(frames: list[Frame]) -> None:
    """The path is 0.8 to 1.0 m long, turns by tens of degrees and has no jump."""
    places = np.array([frame.pose[:3, 3] for frame in frames])
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    assert 0.8 < steps.sum() < 1.0
    assert steps.max() < 0.025
    turns = [turn_deg(first.pose, second.pose) for first, second in pairwise(frames)]
    assert max(turns) < 1.0
    assert 25 < turn_deg(frames[0].pose, frames[-1].pose) < 45


def turn_deg(first: Array, second: Array) -> float:
    """Returns the angle between two poses in degrees."""
    cosine = (np.trace(first[:3, :3].T @ second[:3, :3]) - 1) / 2
    return float(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))))


@pytest.mark.parametrize('index', [0, 20, 40, 63])
@pytest.mark.parametrize(('axis', 'level'), [(0, 5.0), (1, 4.0), (2, 0.0)])
def test_walls_and_floor_are_flat(
    frames: list[Frame], index: int, axis: int, level: float
) -> None:
    """A plane fitted to a wall has sub-millimetre residuals and lies where the wall is."""
    points = points_in_map(frames[index])[frames[index].depth_m > 0]
    points = points[np.abs(points[:, axis] - level) < 0.004]
    assert len(points) > 5000
    centre = points.mean(axis=0)
    normal = np.linalg.eigh(np.cov(points.T))[1][:, 0]
    residual = (points - centre) @ normal
    assert np.sqrt(np.mean(residual**2)) < 0.0007
    assert abs(normal[axis]) > np.cos(np.deg2rad(0.1))
    assert abs(centre[axis] - level) < 0.0005


@pytest.mark.parametrize('pair', PAIRS)
def test_frames_agree_by_the_poses(frames: list[Frame], pair: tuple[int, int]) -> None:
    """Depth moved from one frame to another fits there, and so does the picture."""
    depth_error, grey_error = reproject(frames[pair[0]], frames[pair[1]])
    assert np.median(depth_error) < 0.0006
    assert np.percentile(depth_error, 95) < 0.003
    assert np.median(grey_error) < 3
    assert np.percentile(grey_error, 90) < 14


def test_reprojection_notices_wrong_intrinsics(frames: list[Frame]) -> None:
    """A focal length off by two percent is far outside the tolerances above."""
    right = reproject(frames[10], frames[40])
    wrong = reproject(frames[10], frames[40], focal=FOCAL * 1.02)
    assert np.median(wrong[0]) > 3 * np.median(right[0])
    assert np.median(wrong[1]) > 1.5 * np.median(right[1])
