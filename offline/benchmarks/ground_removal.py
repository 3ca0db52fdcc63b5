"""Prints how much of the floor `obstacles` loses, and how much of everything else.

    PYTHONPATH=offline/clip .venv/bin/python offline/benchmarks/ground_removal.py

Scores every eighth image of the bundled clip, whose robot rocks by up to 2 degrees, which nothing
tells the node here: the camera's mounting is known alone. Scores too the rendered rooms that the
embedded weights were not trained on (../shared/data/synthetic_rooms, left out if it is not there),
whose cameras are 0.2 to 1.7 m above the floor. The scan is that of the clip's robot, or one drawn
from the truth at the height of the camera. docs/robot.md has the table.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import robot
from numpy.typing import NDArray
from rendered_recordings import CLIP

from drnet_offline.datasets.opening import open_dataset
from drnet_offline.evaluation.scoring import pinhole
from drnet_offline.evaluation.sparse_draws import draw_sparse_depth
from drnet_offline.replay.frames import read_frames
from drnet_offline.replay.index import index_recording
from drnet_offline.replay.sparse_player import SparsePlayer
from drnet_offline.replay.sparse_topics import choose_sparse_topics
from drnet_ros.errors import GroundError
from drnet_ros.inference import DepthEstimator, Frame, Settings
from drnet_ros.inference.arrays import FloatArray
from drnet_ros.inference.camera import CameraModel, rays
from drnet_ros.inference.depth import point_cloud
from drnet_ros.inference.postprocess.ground import find_floor
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import choose_topics

ROOT = Path(__file__).resolve().parents[2]
BAG, EVERY = ROOT / 'offline' / 'clip' / 'room', 8
ROOMS = ROOT.parent / 'shared' / 'data' / 'synthetic_rooms'
HELD_OUT = {'small-house': (96, 240, 400), 'rooms': (48, 160)}  # eight images from each on
BASE_ABOVE_FLOOR_M = 1.15
FLOOR_M, OBSTACLE_M, LEAST_FLOOR = 0.02, 0.15, 0.03
TOLERANCES = {'0.08 m': (0.08, 0.0), '10 % of the height': (0.0, 0.1)}


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One image: its depths by name, and where the camera is.

    Attributes:
        scene: The row of the table.
        depths: float32 (H, W), metres.
        camera: The camera.
        pose: That of the camera above the floor, as the node knows it, (4, 4).
        height_hw: True height of each pixel above the floor.
    """

    scene: str
    depths: dict[str, FloatArray]
    camera: CameraModel
    pose: NDArray[np.float64]
    height_hw: NDArray[np.float64]


def main() -> None:
    """Find the floor in all depths, and print shares of pixels."""
    shares: dict[tuple[str, str, str], list[tuple[float, float]]] = defaultdict(list)
    refused: dict[tuple[str, str, str], int] = defaultdict(int)
    settings = Settings(sparse_depth_sources=('scan',))
    with DepthEstimator(Settings()) as alone, DepthEstimator(settings) as with_scan:
        for view in (*clip_views(alone, with_scan), *room_views(alone)):
            for kind, depth in view.depths.items():
                for name, (least_m, share) in TOLERANCES.items():
                    row = view.scene, kind, name
                    tolerance_m = max(least_m, share * float(view.pose[2, 3]))
                    is_kept, is_refused = without_floor(view, depth, tolerance_m)
                    refused[row] += is_refused
                    shares[row].append(shares_of(view.height_hw, depth, is_kept))
    print('| images | depth | tolerance | refused | floor removed | obstacles kept |')
    print('|---|---|---|---|---|---|')
    for row, found in shares.items():
        removed, kept = np.mean(found, axis=0)
        print(
            f'| {row[0]} | {row[1]} | {row[2]} | {refused[row]} of {len(found)} '
            f'| {removed:.1%} | {kept:.1%} |'
        )


def without_floor(
    view: View, depth_hw: FloatArray, tolerance_m: float
) -> tuple[NDArray[np.bool_], bool]:
    """Return which pixels stay, and whether the floor was refused, so that all stay."""
    settings = Settings(ground_frame='base_link', ground_tolerance=tolerance_m)
    points = point_cloud(depth_hw, rays(view.camera))
    try:
        floor = find_floor(points, view.pose, settings)
    except GroundError:
        return ~np.isnan(depth_hw), True
    above_m = np.abs(points @ floor.up + floor.camera_height)
    return above_m > tolerance_m, False


def shares_of(
    height_hw: NDArray[np.float64], depth_hw: FloatArray, is_kept: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return the share of the floor's pixels that is removed, and of obstacles' that is kept."""
    is_valid = ~np.isnan(depth_hw)
    is_floor = is_valid & (np.abs(height_hw) < FLOOR_M)
    is_obstacle = is_valid & (height_hw > OBSTACLE_M)
    return float(1 - is_kept[is_floor].mean()), float(is_kept[is_obstacle].mean())


def clip_views(alone: DepthEstimator, with_scan: DepthEstimator) -> Iterator[View]:
    """Yield images of the clip."""
    mounting = robot.camera_in_base().copy()
    mounting[2, 3] += BASE_ABOVE_FLOOR_M
    with Recording(BAG) as recording:
        choice = choose_topics(recording.topics)
        topics = choose_sparse_topics(recording.topics, ('scan',), choice, {})
        player = SparsePlayer(with_scan.settings, topics)
        for frame in read_frames(index_recording(recording, choice, 0.02), 0, topics.all):
            player.receive([(m.topic, recording.deserialize(m)) for m in frame.side_messages])
            rgb, camera, truth = frame.rgb_hwc, frame.camera, frame.truth_hw
            if rgb is None or camera is None:
                continue
            complete = player.complete(Frame(rgb, camera, stamp_ns=frame.stamp_ns), frame.frame_id)
            scaled = with_scan.submit([complete]).result()[0].depth_hw
            if truth is None or frame.position % EVERY:
                continue
            estimated = alone.estimate(rgb, camera, stddev=False).depth_hw
            depths = {'true': truth, 'estimated': estimated, 'estimated, with the scan': scaled}
            height_hw = heights(truth, camera, CLIP.optical_pose(frame.position))
            yield View('the clip', depths, camera, mounting, height_hw)


def room_views(estimator: DepthEstimator) -> Iterator[View]:
    """Yield rooms of which a part is floor."""
    generator = np.random.default_rng(0)
    for world, blocks in HELD_OUT.items() if ROOMS.is_dir() else ():
        dataset = open_dataset(ROOMS / world)
        rows = list(csv.DictReader((ROOMS / world / 'cameras.csv').open(encoding='utf-8')))
        for index in (first + number for first in blocks for number in range(8)):
            sample, row = dataset[index], rows[index]
            camera = pinhole(sample.focal_px, *sample.depth_hw.shape)
            pose = pitched(float(row['height_m']), float(row['pitch_deg']))
            height_hw = heights(sample.depth_hw, camera, pose)
            if (np.abs(height_hw) < FLOOR_M).mean() < LEAST_FLOOR:
                continue
            truth, rgb = sample.depth_hw, sample.rgb_hwc
            drawn, _ = draw_sparse_depth('scan', truth, camera, generator)
            depths = {
                'true': np.where(truth <= Settings().max_depth, truth, np.float32(np.nan)),
                'estimated': estimator.estimate(rgb, camera, stddev=False).depth_hw,
                'estimated, with a scan': estimator.estimate(
                    rgb, camera, sparse_depth=drawn, stddev=False
                ).depth_hw,
            }
            yield View('rooms', depths, camera, pose, height_hw)


def pitched(height_m: float, pitch_deg: float) -> NDArray[np.float64]:
    """Return the pose of a camera above the floor that looks up by an angle."""
    sin, cos = math.sin(math.radians(pitch_deg)), math.cos(math.radians(pitch_deg))
    pose = np.eye(4)
    pose[:3, :3] = [[0.0, sin, cos], [-1.0, 0.0, 0.0], [0.0, -cos, sin]]
    pose[2, 3] = height_m
    return pose


def heights(
    depth_hw: FloatArray, camera: CameraModel, pose: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the height of each pixel's point, with the camera at a pose above the floor."""
    above: NDArray[np.float64] = point_cloud(depth_hw, rays(camera)) @ pose[2, :3] + pose[2, 3]
    return above


if __name__ == '__main__':
    main()
