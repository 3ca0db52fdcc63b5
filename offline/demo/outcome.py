"""What the demo leaves: summary.json, report.html, sheet.jpg and cloud.ply."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from comparison import Comparison, compare, has_own_stamps
from demo_page import PAGE_NAME, Played, Seen, write_page
from oddities import oddities
from recorded_messages import readable_messages, unreadable_images, unreadable_text
from robot_sources import replay_sources

from drnet_offline.outputs.files import write_text
from drnet_offline.outputs.wording import counted
from drnet_offline.replay.gallery import Picture
from drnet_offline.replay.headers import header_of
from drnet_offline.report.pictures import draw_examples, write_examples
from drnet_offline.report.ply import write_ply
from drnet_ros.errors import DrnetError, ImageError, RecordingError
from drnet_ros.messages.reading import decode_image_message

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from collector import Collector
    from numpy.typing import NDArray
    from robot_sources import SourceOutcome

    from drnet_offline.evaluation.metrics import DepthMetrics
    from drnet_ros.recordings.recording import Recording
    from drnet_ros.recordings.topics import TopicChoice

__all__ = ['Outcome', 'write_outcome']

_ROWS = 4


@dataclass(slots=True)
class Outcome:
    """What the demo left.

    Attributes:
        summary: What summary.json holds: frames and their rates, latencies in ms, RMSE in metres;
            for each source of scale that was recorded, figures of depth with it.
        written: Names of the files that were written.
        problems: What could not be read of the recording.
        warnings: What else a person must know.
    """

    summary: dict[str, Any]
    written: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def counts_text(self) -> str:
        """What became of all images: '25 of 64 frames, 37 dropped, 2 lost on the way'."""
        counts = self.summary
        unreadable = counts['frames_unreadable']
        lost = counts['frames_published'] - counts['frames_in'] - unreadable
        others = [(counts[f'frames_{name}'], name) for name in ('failed', 'skipped')]
        others += [(unreadable, 'unreadable'), (lost, 'lost on the way')]
        parts = [
            f'{counts["frames_out"]} of {counts["frames_published"]} frames',
            f'{counts["frames_dropped"]} dropped',
            *(f'{n} {what}' for n, what in others if n > 0),
        ]
        return ', '.join(parts)


def write_outcome(
    recording: Recording,
    choice: TopicChoice,
    collector: Collector,
    output: Path,
    on_frame: Callable[[int, int], None] = lambda *_: None,
) -> Outcome:
    """Score what arrived against recorded depth, draw some of it, and write it all.

    Args:
        recording: What was played.
        choice: Its topics.
        collector: What arrived; it kept one frame at least.
        output: The folder, which is there. What an earlier demo left in it is removed.
        on_frame: Called with the number of frames done and of all, while the recording is
            replayed with the sources of scale that it has.

    Returns:
        What was written, and what it says.

    Raises:
        OfflineError: A file cannot be written.
    """
    for name in ('summary.json', 'sheet.jpg', 'cloud.ply', PAGE_NAME):
        (output / name).unlink(missing_ok=True)
    problems: list[str] = []
    drawn = _spread(collector)
    comparison = compare(recording, choice, collector, drawn)
    sources = _replay(recording, choice, collector, drawn, on_frame, problems)
    unreadable = unreadable_images(recording, choice.image, collector.sent_ns)
    count = recording.topics[choice.image].count
    summary = _summarise(collector, comparison, count, len(unreadable))
    summary['sources'] = {source.name: _figures(source.metrics) for source in sources}
    warnings, cameras = oddities(recording, choice)
    warnings += comparison.warnings
    problems += comparison.problems + cameras + _image_problems(choice.image, summary, unreadable)
    problems += _depth_problems(collector)
    outcome = Outcome(summary, ['summary.json'], problems, warnings)
    # The figures first: drawing takes the longest.
    write_text(output / 'summary.json', json.dumps(summary, indent=2) + '\n')
    pictures = _pictures(recording, choice, collector, comparison, sources, problems)
    alone = 'the image alone' if sources else 'estimated depth'
    names = [alone, *(f'with {source.name}' for source in sources)]
    metrics = [comparison.metrics, *(source.metrics for source in sources)]
    captions = list(map(_caption, metrics))
    if pictures:
        write_examples(output / 'sheet.jpg', draw_examples(pictures, names, captions))
        outcome.written.append('sheet.jpg')
    points = _points(collector)
    if points is not None:
        write_ply(output / 'cloud.ply', points.reshape(-1, points.shape[-1]))
        outcome.written.append('cloud.ply')
    recorded = Played(str(recording.path), choice.image, min(collector.sent_ns, default=0))
    write_page(output, summary, recorded, Seen(pictures, names, points, warnings + problems))
    outcome.written.append(PAGE_NAME)
    return outcome


def _depth_problems(collector: Collector) -> list[str]:
    if any(np.isfinite(frame.depth_hw).any() for frame in collector.kept):
        return []
    return ['no pixel of any depth image is valid: camera_info may be of another camera']


def _image_problems(
    topic: str, summary: dict[str, Any], unreadable: Sequence[Exception]
) -> list[str]:
    problems = [unreadable_text(topic, unreadable)] if unreadable else []
    if failed := summary['frames_failed']:
        problems.append(f'{counted(failed, "image")} failed in the node: its log says why')
    return problems


def _points(collector: Collector) -> NDArray[np.float32] | None:
    """Return the cloud that was kept, (H, W, 4): x, y, z and packed colour."""
    cloud = collector.cloud
    if cloud is None:
        return None
    points = np.frombuffer(cloud.data, np.float32)
    return points.reshape(cloud.height, cloud.width, cloud.point_step // 4)


def _spread(collector: Collector) -> set[int]:
    """Return the stamps of the frames that are drawn."""
    places = np.linspace(0, len(collector.kept) - 1, min(_ROWS, len(collector.kept)))
    return {collector.kept[round(place)].stamp_ns for place in places.tolist()}


def _replay(
    recording: Recording,
    choice: TopicChoice,
    collector: Collector,
    drawn: Collection[int],
    on_frame: Callable[[int, int], None],
    problems: list[str],
) -> list[SourceOutcome]:
    try:
        kept = {frame.stamp_ns for frame in collector.kept}
        return replay_sources(recording, choice, kept, drawn, on_frame)
    except DrnetError as error:
        problems.append(f'the sources of scale cannot be replayed: {error}')
        return []


def _figures(metrics: DepthMetrics) -> dict[str, float | None]:
    """Return RMSE, REL and delta1, None where nothing was compared."""
    names = ('rmse', 'rel', 'delta1')
    if not int(metrics.images):
        return dict.fromkeys(names)
    figures = metrics.compute()
    return {name: round(figures[name], 4) for name in names}


def _caption(metrics: DepthMetrics) -> str:
    figures = _figures(metrics)
    if figures['rel'] is None:
        return ''
    return (
        f'over all frames: RMSE {figures["rmse"]:.2f} m,\n'
        f'REL {figures["rel"]:.3f}, delta1 {figures["delta1"]:.3f}'
    )


def _pictures(
    recording: Recording,
    choice: TopicChoice,
    collector: Collector,
    comparison: Comparison,
    sources: Sequence[SourceOutcome],
    problems: list[str],
) -> list[tuple[str, Picture]]:
    if not has_own_stamps(collector):
        problems.append('images share stamps: none is drawn; have the driver set header.stamp')
        return []
    drawn = _spread(collector)
    frames = {frame.stamp_ns: frame.depth_hw for frame in collector.kept}
    first_ns = min(drawn)
    pictures: list[tuple[str, Picture]] = []
    for position, message in enumerate(readable_messages(recording, choice.image, problems)):
        stamp_ns = header_of(message)[0]
        if stamp_ns not in drawn:
            continue
        try:
            rgb = decode_image_message(recording.deserialize(message))
        except (ImageError, RecordingError) as error:
            problems.append(str(error))
            continue
        nothing = np.full(rgb.shape[:2], np.nan, np.float32)
        others = (source.depths.get(stamp_ns, nothing) for source in sources)
        depths = (frames[stamp_ns].astype(np.float32), *others)
        picture = Picture(position, rgb, None, comparison.truths.get(stamp_ns), depths)
        pictures.append((f't = {(stamp_ns - first_ns) / 1e9:.2f} s', picture))
    return pictures


def _summarise(
    collector: Collector, comparison: Comparison, frames_recorded: int, frames_unreadable: int
) -> dict[str, Any]:
    status = collector.status
    metrics = comparison.metrics
    p50, p95 = np.percentile(collector.latencies_ms or [math.nan], [50, 95]).tolist()
    # All by the node's own count, so that they add up; what arrived here is another figure.
    kinds = ('in', 'out', 'dropped', 'failed', 'skipped')
    counts = {f'frames_{n}': int(status[f'frames_{n}']) for n in kinds}
    return {
        'frames_published': frames_recorded,
        'frames_unreadable': frames_unreadable,
        **counts,
        'frames_received': collector.frames_out,
        'fps': round(collector.fps, 2),
        'latency_ms_p50': None if math.isnan(p50) else round(p50, 2),
        'latency_ms_p95': None if math.isnan(p95) else round(p95, 2),
        **_figures(metrics),
        'frames_scored': comparison.frames,
        'not_compared': comparison.reason or None,
        **{n: status[n] for n in ('engine', 'device', 'precision', 'backbone', 'network_size')},
    }
