"""Prints the size of each message that the node publishes, measured on the bundled clip.

    .venv/bin/python offline/benchmarks/message_sizes.py

docs/robot.md has the table, docs/topics.md some of the figures.
"""

from __future__ import annotations

from pathlib import Path
from statistics import mean

from drnet_offline.replay.frames import read_frames
from drnet_offline.replay.index import index_recording
from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.inference.arrays import FloatArray
from drnet_ros.inference.depth import colourise, to_millimetres
from drnet_ros.inference.images.encoding import encode_compressed_depth, encode_compressed_image
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import choose_topics

CLIP = Path(__file__).parents[1] / 'clip' / 'room'
EVERY = 15
RATE_HZ = 10


def main() -> None:
    """Print a table."""
    print(f'| message, 640 x 480 | kB | MB/s at {RATE_HZ} Hz |\n|---|---|---|')
    for name, size in mean_sizes().items():
        print(f'| {name} | {size / 1e3:.0f} | {size * RATE_HZ / 1e6:.2f} |')


def mean_sizes() -> dict[str, float]:
    """Estimate depth of some frames of the clip, and return the mean size of each message.

    Returns:
        Bytes, by the name that docs/robot.md has.
    """
    settings = Settings()
    sizes: dict[str, list[int]] = {}
    with Recording(CLIP) as recording, DepthEstimator(settings) as estimator:
        index = index_recording(recording, choose_topics(recording.topics), 0.02)
        for number, frame in enumerate(read_frames(index)):
            if number % EVERY or frame.rgb_hwc is None:
                continue
            result = estimator.estimate(frame.rgb_hwc, frame.camera, points=True, stddev=False)
            depth, points = result.depth_hw, result.points
            if points is None:  # without camera_info
                continue
            preview = colourise(depth, settings.min_depth, settings.max_depth)
            for name, size in {
                '`depth/image_rect`, 32FC1': depth.nbytes,
                '`depth/image_rect`, 16UC1': to_millimetres(depth).nbytes,
                '`depth/image_rect/compressedDepth`, 32FC1': _compressed(depth, '32FC1'),
                '`depth/image_rect/compressedDepth`, 16UC1': _compressed(depth, '16UC1'),
                '`depth/preview`': preview.nbytes,
                '`depth/preview/compressed`': len(encode_compressed_image(preview)[1]),
                '`points` with colour': points.nbytes,
                '`points`, `point_stride: 4`, no colour': points[::4, ::4, :3].nbytes,
            }.items():
                sizes.setdefault(name, []).append(size)
    return {name: mean(found) for name, found in sizes.items()}


def _compressed(depth: FloatArray, encoding: str) -> int:
    return len(encode_compressed_depth(depth, encoding, Settings().max_depth)[1])


if __name__ == '__main__':
    main()
