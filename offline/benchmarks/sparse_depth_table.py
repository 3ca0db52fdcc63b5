"""Makes the table of docs/sparse_depth.md anew: what each source of scale is worth.

    .venv/bin/python offline/benchmarks/sparse_depth_table.py [--weights W] [--every 5]

Scores every n-th image of tum_fr1_rpy and of the validation blocks of NYU Depth v2 (both in
../shared/data; what is not there is left out), and of the bundled clip: with points drawn from
the truth as `drnet eval --sparse` does, with odometry, and with what the robot of the clip has
recorded. The table goes between the markers of the page, and is printed.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from drnet_offline.datasets.opening import open_dataset
from drnet_offline.evaluation.protocols import PROTOCOLS
from drnet_offline.evaluation.scoring import pinhole
from drnet_offline.evaluation.sparse_draws import draw_sparse_depth
from drnet_offline.evaluation.sparse_scoring import IMAGE_ALONE, SparseScore
from drnet_offline.odometry.trajectories import read_truth
from drnet_offline.replay.frames import read_frames
from drnet_offline.replay.index import index_recording
from drnet_offline.replay.sparse_player import SparsePlayer
from drnet_offline.replay.sparse_topics import SparseTopics, choose_sparse_topics
from drnet_offline.replay.tum_bag import write_tum_bag
from drnet_offline.training.preset_reader import load_config
from drnet_ros.errors import SparseDepthError
from drnet_ros.inference import DepthEstimator, Frame, OdometryMap, Settings, SparseDepth
from drnet_ros.inference.sparse_depth.scale_model import ScaleModel
from drnet_ros.inference.sparse_depth.sources.pose_track import PoseTrack
from drnet_ros.inference.sparse_depth.sources.rigid import Pose, pose_of
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import choose_topics

if TYPE_CHECKING:
    from drnet_offline.evaluation.protocols import Protocol
    from drnet_ros.inference import CameraModel
    from drnet_ros.inference.arrays import FloatArray, UInt8Array

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / 'shared' / 'data'
CLIP = ROOT / 'offline' / 'clip' / 'room'
PAGE = ROOT / 'docs' / 'sparse_depth.md'
DRAWN = ('scan', 'tof:8x8', 'points:20', 'points:100')
EXACT, RECORDED = 'odometry, exact poses', 'recorded'
ROWS = {
    IMAGE_ALONE: 'the image alone',
    'scan': 'a level laser scan at the camera (1 % noise)',
    'tof:8x8': 'a time-of-flight array of 8 x 8 zones, 45 degrees, up to 4 m',
    'points:20': '20 random points (3 % noise)',
    'points:100': '100 random points (3 % noise)',
    EXACT: 'odometry with exact poses',
    f'{RECORDED} scan': "the robot's laser scan, 25 cm below the camera, with tf",
    f'{RECORDED} odometry': "the robot's odometry, which drifts by 2 %, with tf",
    f'{RECORDED} scan, odometry': 'both',
}
TOLERANCE_S = 0.02
WIDE = Settings(min_depth=0.001, max_depth=80.0, edge_threshold=0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """An image with what is known of it.

    Attributes:
        rgb_hwc: uint8 (H, W, 3).
        truth_hw: Depth in metres, NaN or 0 where unknown.
        camera: Its camera at that size.
        stamp_ns: When it was taken; None if it stands alone.
        known: Sparse depth by the names of rows, apart from what is drawn.
    """

    rgb_hwc: UInt8Array
    truth_hw: FloatArray
    camera: CameraModel
    stamp_ns: int | None = None
    known: Mapping[str, SparseDepth] = field(default_factory=dict)


def main() -> None:
    """Score everything, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--weights', default='embedded', help="'embedded' or a .safetensors file")
    parser.add_argument('--every', type=int, default=5, help='score every n-th image')
    parser.add_argument('--clip-every', type=int, default=2, help='the same for the clip')
    options = parser.parse_args()
    parts: dict[str, tuple[Protocol, Iterator[Item]]] = {
        'tum_fr1_rpy': (PROTOCOLS['full'], tum_items(options.every)),
        'the clip': (PROTOCOLS['full'], clip_items(options.clip_every)),
        'NYU validation': (PROTOCOLS['eigen'], nyu_items(options.every)),
    }
    found: dict[str, dict[str, dict[str, float]]] = {}
    with DepthEstimator(WIDE.changed(weights=options.weights)) as estimator:
        for name, (protocol, items) in parts.items():
            if figures := score(
                estimator, protocol, track(items, name, console=Console(stderr=True))
            ):
                found[name] = figures
        about = estimator.describe()
    head = f'Weights: {options.weights}, {about["backbone"]} at {about["network_size"]}.'
    text = '\n\n'.join((head, table(found, _errors), table(found, _coverage)))
    print(text)
    page = PAGE.read_text(encoding='utf-8')
    marked = re.sub(
        r'(<!-- figures: begin -->\n).*?(\n<!-- figures: end -->)',
        lambda match: match[1] + text + match[2],
        page,
        flags=re.DOTALL,
    )
    PAGE.write_text(marked, encoding='utf-8')


def score(
    estimator: DepthEstimator, protocol: Protocol, items: Any
) -> dict[str, dict[str, float]]:
    """Return the figures of each row of a data set; none if it has no image."""
    model = ScaleModel.from_dict(estimator.metadata.scale_model)
    scores: dict[str, SparseScore] = {}
    generators = {kind: np.random.default_rng(0) for kind in DRAWN}

    def score_of(row: str) -> SparseScore:
        return scores.setdefault(row, SparseScore(protocol, model, WIDE.min_depth))

    for item in items:
        depth = estimator.estimate(item.rgb_hwc, item.camera, stddev=False).depth_hw
        score_of(IMAGE_ALONE).add(depth, item.truth_hw, item.camera, None)
        for kind in DRAWN:
            drawn, is_drawn = draw_sparse_depth(kind, item.truth_hw, item.camera, generators[kind])
            rest = np.where(is_drawn, np.float32(np.nan), item.truth_hw)
            score_of(kind).add(depth, rest, item.camera, drawn)
        for row, sparse in item.known.items():
            score_of(row).add(depth, item.truth_hw, item.camera, sparse, item.stamp_ns)
    return {row: each.compute() for row, each in scores.items()}


def nyu_items(every: int) -> Iterator[Item]:
    """Yield images of the validation blocks of NYU Depth v2."""
    path = DATA / 'nyu_v2_train795'
    if not path.is_dir():
        return
    blocks = load_config('lite0').data.validation_blocks
    dataset = open_dataset(path, part='val', validation_blocks=blocks)
    for index in range(0, len(dataset), every):
        sample = dataset[index]
        camera = pinhole(sample.focal_px, *sample.depth_hw.shape)
        yield Item(sample.rgb_hwc, sample.depth_hw, camera)


def tum_items(every: int) -> Iterator[Item]:
    """Yield images of the sequence, with odometry that has the poses of motion capture."""
    if not (DATA / 'tum_fr1_rpy').is_dir():
        return
    with tempfile.TemporaryDirectory() as folder:
        bag = Path(folder) / 'tum_fr1_rpy.mcap'
        write_tum_bag(DATA / 'tum_fr1_rpy', bag)
        yield from recorded_items(bag, '/ground_truth', (), every)


def clip_items(every: int) -> Iterator[Item]:
    """Yield images of the clip, with what its robot has recorded."""
    sets = (('scan',), ('odometry',), ('scan', 'odometry'))
    yield from recorded_items(CLIP, '/camera/pose', sets, every)


def recorded_items(
    path: Path, poses: str, sources: tuple[tuple[str, ...], ...], every: int
) -> Iterator[Item]:
    """Yield every n-th image of a recording; odometry sees all of them.

    Args:
        path: The recording.
        poses: Topic of the exact poses of the camera.
        sources: Sets of sources that are recorded.
        every: n.
    """
    with Recording(path) as recording:
        choice = choose_topics(recording.topics)
        index = index_recording(recording, choice, TOLERANCE_S)
        all_names = tuple(dict.fromkeys(name for names in sources for name in names))
        topics = choose_sparse_topics(recording.topics, all_names, choice, {})
        players = {f'{RECORDED} {", ".join(names)}': player_of(names, topics) for names in sources}
        pose_at = exact_poses(recording, poses)
        corners = OdometryMap()
        for frame in read_frames(index, 0, topics.all):
            received = [(m.topic, recording.deserialize(m)) for m in frame.side_messages]
            rgb, truth, camera = frame.rgb_hwc, frame.truth_hw, frame.camera
            if rgb is None or camera is None:
                continue
            known = {EXACT: feed(corners, rgb, camera, pose_at, frame.stamp_ns)}
            for row, player in players.items():
                player.receive(received)
                one = player.complete(Frame(rgb, camera, stamp_ns=frame.stamp_ns), frame.frame_id)
                known[row] = one.sparse_depth or SparseDepth(np.empty((0, 3)))
            if truth is not None and frame.position % every == 0:
                yield Item(rgb, truth, camera, frame.stamp_ns, known)


def player_of(names: tuple[str, ...], topics: SparseTopics) -> SparsePlayer:
    """Return a player of some of the sources of a recording."""
    return SparsePlayer(WIDE.changed(sparse_depth_sources=names), topics)


def exact_poses(recording: Recording, topic: str) -> Callable[[int], Pose]:
    """Return a function from a stamp to the exact pose of the camera; stamps must not go back."""
    truth = read_truth(recording, topic)
    left = zip(truth.timestamps, truth.positions_xyz, truth.orientations_quat_wxyz, strict=True)
    known = PoseTrack()

    def pose_at(stamp_ns: int) -> Pose:
        while not len(known) or known.newest_ns < stamp_ns:
            if (entry := next(left, None)) is None:
                break
            stamp_s, (x, y, z), (qw, qx, qy, qz) = entry
            known.add(round(stamp_s * 1e9), pose_of((x, y, z), (qx, qy, qz, qw)))
        return known.at(stamp_ns)

    return pose_at


def feed(
    corners: OdometryMap,
    rgb: UInt8Array,
    camera: CameraModel,
    pose_at: Callable[[int], Pose],
    stamp_ns: int,
) -> SparseDepth:
    """Return the corners of known depth in an image."""
    try:
        pose = pose_at(stamp_ns)
    except SparseDepthError:
        return SparseDepth(np.empty((0, 3)))
    gray = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
    return corners.feed(gray, camera, pose)


def table(
    found: Mapping[str, Mapping[str, Mapping[str, float]]],
    cell: Callable[[Mapping[str, float]], str],
) -> str:
    """Return a Markdown table with a column for each data set."""
    heads = [
        f'{name}, {next(iter(rows.values()))["n_images"]:.0f} images'
        for name, rows in found.items()
    ]
    lines = [f'| {_TITLES[cell]} | ' + ' | '.join(heads) + ' |', '| --- ' * (len(found) + 1) + '|']
    for row, label in ROWS.items():
        cells = [cell(rows[row]) if row in rows else '' for rows in found.values()]
        if any(cells):
            lines.append(f'| {label} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def _errors(figures: Mapping[str, float]) -> str:
    return f'{figures["rel"]:.3f} / {figures["delta1"]:.3f}'


def _coverage(figures: Mapping[str, float]) -> str:
    return f'{figures["covered_1"]:.0%} / {figures["covered_2"]:.0%}'


_TITLES: dict[Callable[[Mapping[str, float]], str], str] = {
    _errors: 'REL / delta1',
    _coverage: 'pixels within 1 / 2 stated deviations',
}


if __name__ == '__main__':
    main()
