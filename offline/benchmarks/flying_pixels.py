"""Prints how many flying pixels each filter removes, and how many good ones it keeps.

    .venv/bin/python offline/benchmarks/flying_pixels.py [--every 23]

Scores every n-th of the rendered rooms in ../shared/data/synthetic_rooms and every eighth image of
the bundled clip, whose depth is exact, at 640 x 480: true depth, reduced to the size of the
network and enlarged again, and estimated depth, scaled by 100 true points.

Near the edges of the truth, where depth jumps by more than 10 % and 10 cm, a pixel flies if its
point is farther than 5 cm and 3 % of its depth from every true point, and its depth lies between
those of both sides; it is good if its point is as near to a true one. docs/robot.md has the table.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from drnet_offline.datasets.opening import open_dataset
from drnet_offline.evaluation.scoring import pinhole
from drnet_offline.evaluation.sparse_draws import draw_sparse_depth
from drnet_offline.replay.frames import read_frames
from drnet_offline.replay.index import index_recording
from drnet_ros.inference import CameraModel, DepthEstimator, Settings
from drnet_ros.inference.arrays import FloatArray, UInt8Array
from drnet_ros.inference.camera import rays
from drnet_ros.inference.depth import drop_edges, point_cloud
from drnet_ros.inference.postprocess.outliers import find_outliers, neighbour_spacing
from drnet_ros.inference.postprocess.processor import edge_threshold_at
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import choose_topics

Mask = NDArray[np.bool_]
Filter = Callable[[FloatArray, tuple[int, int]], FloatArray]

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ROOT.parent / 'shared' / 'data' / 'synthetic_rooms'
CLIP, CLIP_EVERY = ROOT / 'offline' / 'clip' / 'room', 8
DEPTH_HW = (480, 640)
JUMP, JUMP_M = 0.1, 0.1
NEAR, NEAR_M = 0.03, 0.05
AROUND = np.ones((17, 17), np.uint8)


@dataclass
class Tally:
    """Counts of pixels: how many there are, and how many a filter drops."""

    flying: int = 0
    flying_dropped: int = 0
    good: int = 0
    good_dropped: int = 0
    other: int = 0
    other_dropped: int = 0

    def shares(self) -> str:
        """Flying pixels removed, good ones near edges kept, all elsewhere kept."""
        removed = self.flying_dropped / self.flying
        good, other = 1 - self.good_dropped / self.good, 1 - self.other_dropped / self.other
        return f'{removed:.1%} / {good:.1%} / {other:.1%}'


def main() -> None:
    """Score all filters, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--every', type=int, default=23, help='score every n-th image')
    every = parser.parse_args().every
    tallies: dict[str, dict[str, Tally]] = defaultdict(lambda: defaultdict(Tally))
    times_ms: dict[str, list[float]] = defaultdict(list)
    filters = named_filters()
    with DepthEstimator(Settings()) as estimator:
        metadata = estimator.metadata
        network_hw = metadata.input_height, metadata.input_width
        for column, depth, truth, camera in depths(estimator, network_hw, every):
            is_flying, is_good, is_near = judge(depth, truth, camera)
            is_other = ~is_near & ~np.isnan(depth)
            for name, keep in filters.items():
                begun = time.perf_counter()
                kept = keep(depth, network_hw)
                times_ms[name].append(1e3 * (time.perf_counter() - begun))
                is_dropped = np.isnan(kept) & ~np.isnan(depth)
                count(tallies[name][column], is_dropped, is_flying, is_good, is_other)
    columns = list(next(iter(tallies.values())))
    print('flying pixels removed / good ones near edges kept / all elsewhere kept')
    print(f'| filter | {" | ".join(columns)} | ms |\n{"|---" * (len(columns) + 2)}|')
    for name, found in tallies.items():
        cells = [found[column].shares() for column in columns]
        print(f'| {name} | {" | ".join(cells)} | {median(times_ms[name]):.1f} |')


def named_filters() -> dict[str, Filter]:
    """Return what is compared, by the parameters that ask for it."""
    found: dict[str, Filter] = {}
    for threshold in (0.1, 0.05, 0.03, 0.02):
        found[f'edge_threshold {threshold}'] = partial(without_edges, threshold)
    for radius, least in ((0.03, 5), (0.02, 4), (0.02, 5), (0.02, 6), (0.01, 5)):
        name = f'outlier_radius {radius}, outlier_min_neighbors {least}'
        found[name] = partial(without_outliers, radius, least)
    return found


def without_edges(
    threshold: float, depth_hw: FloatArray, network_hw: tuple[int, int]
) -> FloatArray:
    """Return depth without both sides of each jump."""
    kept = depth_hw.copy()
    drop_edges(kept, edge_threshold_at(DEPTH_HW, network_hw, threshold))
    return kept


def without_outliers(
    radius: float, least: int, depth_hw: FloatArray, network_hw: tuple[int, int]
) -> FloatArray:
    """Return depth without pixels that have few neighbours."""
    kept = depth_hw.copy()
    spacing = neighbour_spacing(DEPTH_HW, network_hw)
    kept[find_outliers(depth_hw, radius, least, spacing)] = np.nan
    return kept


def depths(
    estimator: DepthEstimator, network_hw: tuple[int, int], every: int
) -> Iterator[tuple[str, FloatArray, FloatArray, CameraModel]]:
    """Yield what each image is scored as: a column of the table, depth, truth and camera."""
    generator = np.random.default_rng(0)
    for name, items in (('rooms', rooms(every)), ('the clip', clip_images())):
        for rgb, truth, camera in items:
            reduced = cv2.resize(truth, network_hw[::-1], interpolation=cv2.INTER_AREA)
            resized = np.asarray(cv2.resize(reduced, DEPTH_HW[::-1]), np.float32)
            yield f'{name}, true depth resized', resized, truth, camera
            drawn, _ = draw_sparse_depth('points:100', truth, camera, generator)
            result = estimator.estimate(rgb, camera, sparse_depth=drawn, stddev=False)
            yield f'{name}, estimated depth', result.depth_hw, truth, camera


def rooms(every: int) -> Iterator[tuple[UInt8Array, FloatArray, CameraModel]]:
    """Yield image, truth and camera of every n-th room."""
    number = 0
    for world in sorted(path for path in ROOMS.iterdir() if path.is_dir()):
        dataset = open_dataset(world)
        for index in range(-number % every, len(dataset), every):
            sample = dataset[index]
            rgb = np.asarray(cv2.resize(sample.rgb_hwc, DEPTH_HW[::-1]), np.uint8)
            resized = cv2.resize(sample.depth_hw, DEPTH_HW[::-1], interpolation=cv2.INTER_NEAREST)
            truth = np.asarray(resized, np.float32)
            truth[~(truth <= Settings().max_depth)] = np.nan
            camera = pinhole(sample.focal_px, *sample.depth_hw.shape).scaled_to(*DEPTH_HW)
            yield rgb, truth, camera
        number += len(dataset)


def clip_images() -> Iterator[tuple[UInt8Array, FloatArray, CameraModel]]:
    """Yield image, truth and camera of every eighth image of the clip."""
    with Recording(CLIP) as recording:
        index = index_recording(recording, choose_topics(recording.topics), 0.02)
        for frame in read_frames(index):
            rgb, truth, camera = frame.rgb_hwc, frame.truth_hw, frame.camera
            if frame.position % CLIP_EVERY or rgb is None or truth is None or camera is None:
                continue
            yield rgb, truth, camera


def judge(depth_hw: FloatArray, truth_hw: FloatArray, camera: CameraModel) -> tuple[Mask, ...]:
    """Return which pixels fly, which are good, and which are near an edge of the truth."""
    edge = np.zeros(truth_hw.shape, np.uint8)
    edge[:, 1:] |= _jumps(truth_hw[:, 1:], truth_hw[:, :-1])
    edge[1:] |= _jumps(truth_hw[1:], truth_hw[:-1])
    farthest = cv2.dilate(np.nan_to_num(truth_hw, nan=0.0), AROUND)
    nearest = cv2.erode(np.nan_to_num(truth_hw, nan=np.inf), AROUND)
    is_near = (cv2.dilate(edge, AROUND) > 0) & ~np.isnan(depth_hw) & ~np.isnan(truth_hw)
    surface = point_cloud(truth_hw, rays(camera))
    tree = cKDTree(surface[~np.isnan(surface[..., 2])])
    distance_m = np.zeros(depth_hw.shape)
    distance_m[is_near] = tree.query(point_cloud(depth_hw, rays(camera))[is_near])[0]
    is_far = distance_m > np.maximum(NEAR_M, NEAR * depth_hw)
    is_between = (depth_hw > nearest + NEAR_M) & (depth_hw < farthest - NEAR_M)
    return is_near & is_far & is_between, is_near & ~is_far, is_near


def _jumps(one: FloatArray, other: FloatArray) -> Mask:
    jump_m = np.abs(one - other)
    is_jump: Mask = (jump_m > JUMP_M) & (jump_m > JUMP * np.minimum(one, other))
    return is_jump


def count(tally: Tally, is_dropped: Mask, is_flying: Mask, is_good: Mask, is_other: Mask) -> None:
    """Add the pixels of one image."""
    tally.flying += int(is_flying.sum())
    tally.flying_dropped += int((is_flying & is_dropped).sum())
    tally.good += int(is_good.sum())
    tally.good_dropped += int((is_good & is_dropped).sum())
    tally.other += int(is_other.sum())
    tally.other_dropped += int((is_other & is_dropped).sum())


if __name__ == '__main__':
    main()
