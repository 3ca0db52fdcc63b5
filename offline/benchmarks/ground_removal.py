"""Prints how much of the floor `obstacles` loses, and how much of everything else, on the clip.

    PYTHONPATH=offline/clip .venv/bin/python offline/benchmarks/ground_removal.py

The robot of the clip rocks by up to 2 degrees, which nothing tells the node here: the camera's
mounting is known alone. docs/robot.md has the table.
"""

from __future__ import annotations

from pathlib import Path

import clip_camera
import clip_robot
import numpy as np
from numpy.typing import NDArray

from drnet_offline.replay.frames import read_frames
from drnet_offline.replay.index import index_recording
from drnet_ros.errors import GroundError
from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.inference.arrays import FloatArray
from drnet_ros.inference.camera import CameraModel, rays
from drnet_ros.inference.depth import point_cloud
from drnet_ros.inference.postprocess.ground import find_floor
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import choose_topics

CLIP = Path(__file__).parents[1] / 'clip' / 'room'
EVERY = 8
BASE_ABOVE_FLOOR_M = 1.15
FLOOR_M, OBSTACLE_M = 0.02, 0.15


def main() -> None:
    """Find the floor in true and in estimated depth, and print shares of pixels."""
    settings = Settings(ground_frame='base_link', ground_height=-BASE_ABOVE_FLOOR_M)
    shares: dict[str, list[tuple[float, float]]] = {'true depth': [], 'estimated depth': []}
    refused = dict.fromkeys(shares, 0)
    with Recording(CLIP) as recording, DepthEstimator(settings) as estimator:
        index = index_recording(recording, choose_topics(recording.topics), 0.02)
        for frame in read_frames(index, positions=range(0, clip_camera.FRAME_COUNT, EVERY)):
            if frame.rgb_hwc is None or frame.camera is None or frame.truth_hw is None:
                continue
            estimated = estimator.estimate(frame.rgb_hwc, frame.camera).depth_hw
            for name, depth in (('true depth', frame.truth_hw), ('estimated depth', estimated)):
                points = point_cloud(depth, rays(frame.camera))
                try:
                    floor = find_floor(points, clip_robot.camera_in_base(), settings)
                except GroundError as error:
                    refused[name] += 1
                    print(f'{name}, image {frame.position}: {error}')
                    continue
                height = points @ floor.up + floor.camera_height
                is_kept = np.abs(height) > settings.ground_tolerance
                is_kept &= ~np.isnan(depth)
                shares[name].append(_shares(frame.position, frame.truth_hw, frame.camera, is_kept))
    print('| depth | images | refused | floor removed | obstacles kept |\n|---|---|---|---|---|')
    for name, found in shares.items():
        removed, kept = np.mean(found, axis=0)
        count = len(found) + refused[name]
        print(f'| {name} | {count} | {refused[name]} | {removed:.1%} | {kept:.1%} |')


def _shares(
    position: int, truth_hw: FloatArray, camera: CameraModel, is_kept: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return the share of the floor's pixels that is removed, and of obstacles' that is kept."""
    pose = clip_camera.optical_pose(position)
    height = point_cloud(truth_hw, rays(camera)) @ pose[2, :3] + pose[2, 3]
    is_floor, is_obstacle = np.abs(height) < FLOOR_M, height > OBSTACLE_M
    return float(1 - is_kept[is_floor].mean()), float(is_kept[is_obstacle].mean())


if __name__ == '__main__':
    main()
