"""Measures what sparse depth costs for each frame, beside the network, for docs/performance.md.

    .venv/bin/python offline/benchmarks/sparse_depth_cost.py [--points N] [--frames N]
        [--json FILE]

Frames are those of the bundled clip, 640x480; points are drawn from its true depth. Times are CPU
time, that of all threads for the network and of its one thread for each other part, so that other
programs hardly change them. All parts are measured in turn for every frame, between two runs of
the network, which leaves nothing of theirs in the caches of the CPU; then each part once more for
all frames in a row, which is its cost on a core of its own.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drnet_offline.evaluation.sparse_draws import draw_sparse_depth
from drnet_offline.replay.decoding import read_depths, read_images
from drnet_ros.inference import (
    CameraModel,
    DepthEstimator,
    DepthFrame,
    Frame,
    OdometryMap,
    Settings,
)
from drnet_ros.inference.sparse_depth.metric_scale import MetricScale
from drnet_ros.inference.sparse_depth.scale_filter import SparseScaleFilter
from drnet_ros.inference.sparse_depth.scale_model import ScaleModel
from drnet_ros.inference.sparse_depth.sources.rigid import Pose, pose_of
from drnet_ros.recordings.recording import Recording

CLIP = Path(__file__).parents[1] / 'clip' / 'room'
CAMERA = CameraModel(640, 480, 525.0, 525.0, 319.5, 239.5)
NETWORK = 'image alone: network and all about it'
FIELD = 'scale field, with the filter and all that is done to depth'
STDDEV = 'scale field, with the standard deviation'
CLOUD = 'scale field, and the cloud that is made of it'
FILTER = 'the filter over time'
MAP = 'odometry map'
PARTS = (FIELD, CLOUD, STDDEV, FILTER, MAP)


@dataclass
class View:
    """A frame of the clip."""

    stamp_ns: int
    rgb: NDArray[np.uint8]
    truth: NDArray[np.float32]
    pose: Pose


def views() -> Iterator[View]:
    """Yield the frames of the bundled clip, in order."""
    with Recording(CLIP) as images, Recording(CLIP) as depths, Recording(CLIP) as poses:
        triples = zip(
            read_images(images, '/camera/image_raw/compressed'),
            read_depths(depths, '/camera/depth/image_rect/compressedDepth'),
            poses.messages(['/camera/pose']),
            strict=True,
        )
        for (stamp_ns, rgb), (_, truth), message in triples:
            pose = poses.deserialize(message).pose
            p, q = pose.position, pose.orientation
            yield View(stamp_ns, rgb, truth, pose_of((p.x, p.y, p.z), (q.x, q.y, q.z, q.w)))


class Costs:
    """Times of each part, frame by frame."""

    def __init__(self, points: int) -> None:
        """Measure nothing as yet.

        Args:
            points: How many points of sparse depth each frame has.
        """
        self.times_ms: dict[str, list[float]] = {}
        self.alone_ms: dict[str, list[float]] = {}
        self._seen: list[tuple[View, Frame, DepthFrame]] = []
        self._points = f'points:{points}'
        self._generator = np.random.default_rng(0)
        self._map = OdometryMap()
        self._filter = SparseScaleFilter(ScaleModel().factor_stddev ** 2)
        self._scales = {name: MetricScale(ScaleModel()) for name in (FIELD, CLOUD, STDDEV)}

    def add(self, estimator: DepthEstimator, view: View) -> None:
        """Measure one frame."""
        alone = Frame(view.rgb, CAMERA, stamp_ns=view.stamp_ns)
        estimate = self._timed(NETWORK, lambda: estimator.submit([alone]).result()[0])
        points, _ = draw_sparse_depth(self._points, view.truth, CAMERA, self._generator)
        frame = replace(alone, sparse_depth=points)
        for name in PARTS:
            self._timed(name, self._part(name, view, frame, estimate, estimator.settings))
        self._seen.append((view, frame, estimate))

    def add_alone(self, settings: Settings) -> None:
        """Measure each part for all frames in a row."""
        among, self.times_ms = self.times_ms, self.alone_ms
        for name in PARTS:
            if name in self._scales:
                self._scales[name].reset()
            self._map.reset()
            for seen in self._seen:
                self._timed(name, self._part(name, *seen, settings))
        self.times_ms = among

    def _part(
        self, name: str, view: View, frame: Frame, estimate: DepthFrame, settings: Settings
    ) -> Callable[[], Any]:
        """Prepare a part of the work on a frame."""
        if name == FILTER:
            return partial(self._filtered, view.stamp_ns)
        if name == MAP:
            gray = np.asarray(cv2.cvtColor(view.rgb, cv2.COLOR_RGB2GRAY), np.uint8)
            return partial(self._map.feed, gray, CAMERA, view.pose)
        frame = replace(frame, points=name == CLOUD, stddev=name == STDDEV)
        result = DepthFrame(estimate.depth_hw.copy(), estimate.camera)
        return partial(self._scales[name].apply, frame, result, settings)

    def rows(self) -> Iterator[str]:
        """Yield the lines of the table."""
        network = np.array(self.times_ms[NETWORK])
        yield '| part | median | least | 90 % | of the image alone | in a row: median |'
        yield '|---|---:|---:|---:|---:|---:|'
        for name, times in self.times_ms.items():
            cells = (
                f'{x:.2f} ms' for x in (np.median(times), min(times), np.quantile(times, 0.9))
            )
            share = np.median(np.array(times) / network)
            in_a_row = self.alone_ms.get(name)
            last = '' if in_a_row is None else f'{np.median(in_a_row):.2f} ms'
            yield f'| {name} | {" | ".join(cells)} | {share:.2f} | {last} |'

    def _timed(self, name: str, work: Callable[[], Any]) -> Any:
        clock = time.process_time if name == NETWORK else time.thread_time
        start_s = clock()
        result = work()
        self.times_ms.setdefault(name, []).append(1e3 * (clock() - start_s))
        return result

    def _filtered(self, stamp_ns: int) -> None:
        prior = self._filter.predict(stamp_ns)
        self._filter.accepts(0.1, 0.03)
        self._filter.update(0.1, 0.001, 0.03, prior)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('--weights', default='embedded', help='a .safetensors file')
    parser.add_argument('--points', type=int, default=150, help='points of each frame')
    parser.add_argument('--frames', type=int, default=64, help='frames to measure, at most 64')
    parser.add_argument('--json', type=Path, help='also write the medians here')
    options = parser.parse_args()
    cv2.setNumThreads(1)
    costs = Costs(options.points)
    with DepthEstimator(Settings(weights=options.weights)) as estimator:
        for view in islice(views(), options.frames):
            costs.add(estimator, view)
        costs.add_alone(estimator.settings)
    for row in costs.rows():
        print(row)
    if options.json is not None:
        figures = {
            kind: {name: float(np.median(times)) for name, times in measured.items()}
            for kind, measured in (('median_ms', costs.times_ms), ('in_a_row_ms', costs.alone_ms))
        }
        options.json.write_text(json.dumps(figures, indent=2) + '\n', 'utf-8')


if __name__ == '__main__':
    main()
