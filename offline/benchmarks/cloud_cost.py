"""Prints what clouds and filters of a VGA image cost, measured on estimated depth of the clip.

    .venv/bin/python offline/benchmarks/cloud_cost.py

All are measured in turn. The figures are the shortest times of each frame, as other work on the
machine only adds to them, and of these the median over the frames. docs/robot.md quotes them.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from drnet_offline.replay.frames import read_frames
from drnet_offline.replay.index import index_recording
from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.inference.arrays import FloatArray
from drnet_ros.inference.camera import rays
from drnet_ros.inference.depth import drop_edges, point_cloud
from drnet_ros.inference.postprocess.outliers import find_outliers
from drnet_ros.inference.postprocess.voxels import voxel_cloud, voxel_points
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import choose_topics

CLIP = Path(__file__).parents[1] / 'clip' / 'room'
EVERY, REPEATS = 15, 40
VOXELS_M = (0.02, 0.05, 0.1)


def main() -> None:
    """Estimate depth of some frames, time everything, and print a table."""
    times_ms: dict[str, list[float]] = defaultdict(list)
    points: dict[str, list[int]] = defaultdict(list)
    with Recording(CLIP) as recording, DepthEstimator(Settings()) as estimator:
        index = index_recording(recording, choose_topics(recording.topics), 0.02)
        for frame in read_frames(index):
            rgb, camera = frame.rgb_hwc, frame.camera
            if frame.position % EVERY or rgb is None or camera is None:
                continue
            depth, ray = estimator.estimate(rgb, camera, stddev=False).depth_hw, rays(camera)
            cloud = point_cloud(depth, ray, rgb)
            subjects: dict[str, Callable[[], object]] = {
                'cloud': partial(point_cloud, depth, ray, rgb),
                'edge_threshold': partial(without_edges, depth),
                'outlier_radius': partial(find_outliers, depth, 0.02, 5, 2),
            }
            for size_m in VOXELS_M:
                thinned = partial(voxel_cloud, depth, ray, size_m, rgb)
                subjects[f'cloud, point_voxel {size_m}'] = thinned
                points[f'cloud, point_voxel {size_m}'].append(thinned().shape[1])
                subjects[f'thinning of a whole cloud, {size_m}'] = partial(
                    voxel_points, cloud, size_m
                )
            shortest_ms = dict.fromkeys(subjects, math.inf)
            for _ in range(REPEATS):
                for name, subject in subjects.items():
                    begun = time.perf_counter()
                    subject()
                    taken_ms = 1e3 * (time.perf_counter() - begun)
                    shortest_ms[name] = min(shortest_ms[name], taken_ms)
            for name, shortest in shortest_ms.items():
                times_ms[name].append(shortest)
    print('| 640 x 480 | ms | points |\n|---|---|---|')
    for name, found in times_ms.items():
        count = f'{median(points[name]):.0f}' if name in points else ''
        print(f'| {name} | {median(found):.2f} | {count} |')


def without_edges(depth_hw: FloatArray) -> FloatArray:
    """Return depth without both sides of each jump."""
    kept = depth_hw.copy()
    drop_edges(kept, 0.02)
    return kept


if __name__ == '__main__':
    main()
