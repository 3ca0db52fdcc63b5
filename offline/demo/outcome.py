"""What the demo leaves: summary.json, report.html, sheet.jpg and cloud.ply."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from demo_page import PAGE_NAME, Played, Seen, write_page
from oddities import oddities
from robot_sources import replay_sources

from drnet_offline.datasets.matching import match_stamps
from drnet_offline.evaluation.metrics import DepthMetrics
from drnet_offline.evaluation.protocols import PROTOCOLS
from drnet_offline.outputs.files import write_text
from drnet_offline.replay.gallery import Picture
from drnet_offline.replay.headers import header_of
from drnet_offline.report.pictures import draw_examples, write_examples
from drnet_offline.report.ply import write_ply
from drnet_ros.errors import DrnetError, ImageError, RecordingError
from drnet_ros.messages.reading import decode_depth_message, decode_image_message

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from collector import Collector
    from numpy.typing import NDArray
    from robot_sources import SourceOutcome

    from drnet_ros.recordings.recording import RecordedMessage, Recording
    from drnet_ros.recordings.topics import TopicChoice

__all__ = ['Outcome', 'write_outcome']

_ROWS = 4
_TOLERANCE_MS = 20


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
        lost = counts['frames_published'] - counts['frames_in']
        others = (counts['frames_failed'], 'failed'), (counts['frames_skipped'], 'skipped')
        parts = [
            f'{counts["frames_out"]} of {counts["frames_published"]} frames',
            f'{counts["frames_dropped"]} dropped',
            *(f'{n} {what}' for n, what in (*others, (lost, 'lost on the way')) if n > 0),
        ]
        return ', '.join(parts)


@dataclass(slots=True)
class _Comparison:
    """Recorded depth of the kept frames, by the stamp of the image.

    Attributes:
        metrics: Over all of them.
        truths: Of those that are drawn, float32 (H, W) in metres.
        reason: Why nothing could be compared, '' if something was.
    """

    metrics: DepthMetrics
    truths: dict[int, NDArray[np.float32]]
    reason: str


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
    comparison = _compare(recording, choice, collector, drawn, problems)
    sources = _replay(recording, choice, collector, drawn, on_frame, problems)
    summary = _summarise(collector, comparison, recording.topics[choice.image].count)
    summary['sources'] = {source.name: _figures(source.metrics) for source in sources}
    warnings = oddities(recording, choice)
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
    write_page(output, summary, recorded, Seen(pictures, names, points, warnings))
    outcome.written.append(PAGE_NAME)
    return outcome


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


def _has_own_stamps(collector: Collector) -> bool:
    """Return whether each frame that arrived can be told by its stamp."""
    return len({frame.stamp_ns for frame in collector.kept}) == len(collector.kept)


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


def _compare(
    recording: Recording,
    choice: TopicChoice,
    collector: Collector,
    drawn: Collection[int],
    problems: list[str],
) -> _Comparison:
    comparison = _Comparison(DepthMetrics(PROTOCOLS['full']), {}, 'it has no depth topic')
    if choice.depth is None:
        return comparison
    if not _has_own_stamps(collector):
        comparison.reason = 'its images share stamps, so that nothing tells which depth is whose'
        return comparison
    recorded_ns = [header_of(m)[0] for m in _messages(recording, choice.depth, problems)]
    kept_ns = [frame.stamp_ns for frame in collector.kept]
    pairs = match_stamps(kept_ns, recorded_ns, _TOLERANCE_MS * 1_000_000)
    frames = {depth: collector.kept[image] for image, depth in pairs.items()}
    comparison.reason = (
        f'no image of {choice.depth} was taken within {_TOLERANCE_MS} ms of one with depth'
    )
    for position, message in enumerate(_messages(recording, choice.depth, [])):
        if position not in frames:
            continue
        frame = frames[position]
        try:
            truth = decode_depth_message(recording.deserialize(message))
        except (ImageError, RecordingError) as error:
            comparison.reason = f'{choice.depth} cannot be decoded: {error}'
            continue
        if truth.shape != frame.depth_hw.shape:
            sizes = (f'{w} x {h}' for h, w in (truth.shape, frame.depth_hw.shape))
            comparison.reason = '{} has {} pixels, the images have {}'.format(choice.depth, *sizes)
            continue
        if frame.stamp_ns in drawn:
            comparison.truths[frame.stamp_ns] = truth
        depth = frame.depth_hw.astype(np.float32)
        comparison.metrics.update(depth, np.where(np.isfinite(depth), truth, np.float32(np.nan)))
    if int(comparison.metrics.images):
        comparison.reason = ''
    return comparison


def _pictures(
    recording: Recording,
    choice: TopicChoice,
    collector: Collector,
    comparison: _Comparison,
    sources: Sequence[SourceOutcome],
    problems: list[str],
) -> list[tuple[str, Picture]]:
    if not _has_own_stamps(collector):
        problems.append('images share stamps: none is drawn; have the driver set header.stamp')
        return []
    drawn = _spread(collector)
    frames = {frame.stamp_ns: frame.depth_hw for frame in collector.kept}
    first_ns = min(drawn)
    pictures: list[tuple[str, Picture]] = []
    for position, message in enumerate(_messages(recording, choice.image, problems)):
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


def _messages(recording: Recording, topic: str, problems: list[str]) -> Iterator[RecordedMessage]:
    """Read a topic as far as it can be read, and note why it ends early."""
    try:
        yield from recording.messages([topic])
    except RecordingError as error:
        if str(error) not in problems:
            problems.append(str(error))


def _summarise(
    collector: Collector, comparison: _Comparison, frames_published: int
) -> dict[str, Any]:
    status = collector.status
    metrics = comparison.metrics
    scored = int(metrics.images)
    p50, p95 = np.percentile(collector.latencies_ms or [math.nan], [50, 95]).tolist()
    # All by the node's own count, so that they add up; what arrived here is another figure.
    counted = ('in', 'out', 'dropped', 'failed', 'skipped')
    counts = {f'frames_{n}': int(status[f'frames_{n}']) for n in counted}
    return {
        'frames_published': frames_published,
        **counts,
        'frames_received': collector.frames_out,
        'fps': round(collector.fps, 2),
        'latency_ms_p50': None if math.isnan(p50) else round(p50, 2),
        'latency_ms_p95': None if math.isnan(p95) else round(p95, 2),
        **_figures(metrics),
        'frames_scored': scored,
        'not_compared': comparison.reason or None,
        **{n: status[n] for n in ('engine', 'device', 'precision', 'backbone', 'network_size')},
    }
