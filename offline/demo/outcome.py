"""What the demo leaves: summary.json, sheet.jpg and cloud.ply."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_offline.evaluation.metrics import DepthMetrics
from drnet_offline.evaluation.protocols import PROTOCOLS
from drnet_offline.replay.decoding import read_depths, read_images
from drnet_offline.replay.gallery import Picture
from drnet_offline.report.pictures import draw_examples
from drnet_offline.report.ply import write_ply

if TYPE_CHECKING:
    from pathlib import Path

    from collector import Collector
    from numpy.typing import NDArray

    from drnet_ros.recordings.recording import Recording
    from drnet_ros.recordings.topics import TopicChoice

__all__ = ['write_outcome']

_ROWS = 4


def write_outcome(
    recording: Recording, choice: TopicChoice, collector: Collector, output: Path
) -> dict[str, Any]:
    """Score what arrived against recorded depth, draw some of it, and write it all.

    Args:
        recording: What was played.
        choice: Its topics.
        collector: What arrived; it kept one frame at least.
        output: The folder; made if it is not there.

    Returns:
        What summary.json holds: frames and their rates, latencies in ms, RMSE in metres.
    """
    output.mkdir(parents=True, exist_ok=True)
    frames = {frame.stamp_ns: frame.depth_hw for frame in collector.kept}
    spread = np.linspace(0, len(frames) - 1, min(_ROWS, len(frames))).round().astype(int)
    drawn = [collector.kept[index].stamp_ns for index in spread]
    metrics = DepthMetrics(PROTOCOLS['full'])
    truths: dict[int, NDArray[np.float32]] = {}
    for stamp_ns, truth in read_depths(recording, choice.depth) if choice.depth else ():
        estimate = frames.get(stamp_ns)
        if estimate is None or truth.shape != estimate.shape:
            continue
        if stamp_ns in drawn:
            truths[stamp_ns] = truth
        depth = estimate.astype(np.float32)
        metrics.update(depth, np.where(np.isfinite(depth), truth, np.float32(np.nan)))
    images = {
        stamp_ns: (position, rgb)
        for position, (stamp_ns, rgb) in enumerate(read_images(recording, choice.image))
        if stamp_ns in drawn
    }
    pictures = []
    for stamp_ns, (position, rgb) in images.items():
        depths = (frames[stamp_ns].astype(np.float32),)
        picture = Picture(position, rgb, None, truths.get(stamp_ns), depths)
        pictures.append((f't = {(stamp_ns - drawn[0]) / 1e9:.2f} s', picture))
    draw_examples(output / 'sheet.jpg', pictures, ['DRNet depth'])
    if collector.cloud is not None:
        points = np.frombuffer(collector.cloud.data, np.float32)
        write_ply(output / 'cloud.ply', points.reshape(-1, collector.cloud.point_step // 4))
    summary = _summarise(collector, metrics, recording.topics[choice.image].count)
    (output / 'summary.json').write_text(json.dumps(summary, indent=2) + '\n')
    return summary


def _summarise(
    collector: Collector, metrics: DepthMetrics, frames_published: int
) -> dict[str, Any]:
    status = collector.status
    scored = int(metrics.images)
    figures = metrics.compute() if scored else {}
    p50, p95 = np.percentile(collector.latencies_ms or [math.nan], [50, 95]).tolist()
    counted = ('in', 'dropped', 'failed', 'skipped')
    counts = {f'frames_{n}': int(status[f'frames_{n}']) for n in counted}
    return {
        'frames_published': frames_published,
        **counts,
        'frames_out': collector.frames_out,
        'fps': round(collector.fps, 2),
        'latency_ms_p50': round(p50, 2),
        'latency_ms_p95': round(p95, 2),
        'rmse': round(figures['rmse'], 4) if scored else None,
        'delta1': round(figures['delta1'], 4) if scored else None,
        'frames_scored': scored,
        **{n: status[n] for n in ('engine', 'device', 'precision', 'backbone', 'network_size')},
    }
