"""What a soak found: a summary, a plot and a page."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ['Sample', 'summarise', 'write_report']


@dataclass(frozen=True, slots=True)
class Sample:
    """The node at one second of the soak.

    Attributes:
        seconds: Since the beginning.
        memory_mb: Resident memory without shared-memory files.
        threads: Threads.
        handles: Open file descriptors.
        rate_hz: Depth images a second, as the node says.
        latency_ms_p50: Median time from reception to publication, as the node says.
        latency_ms_p95: Its 95th percentile.
        level: Level of the diagnostics: 0 OK, 1 WARN, 2 ERROR, -1 before there were any.
        message: Their reasons.
    """

    seconds: float
    memory_mb: float
    threads: int
    handles: int
    rate_hz: float
    latency_ms_p50: float
    latency_ms_p95: float
    level: int
    message: str


def summarise(samples: list[Sample], totals: dict[str, Any], log: bytes) -> dict[str, Any]:
    """Compare the beginning with the end.

    Args:
        samples: One a second; the first and the last fifth are compared.
        totals: What was done, and what was counted.
        log: What the node logged.

    Returns:
        Plain numbers for a JSON file.
    """
    fifth = max(1, len(samples) // 5)
    summary: dict[str, Any] = {'seconds': samples[-1].seconds, **totals}
    for name in ('memory_mb', 'threads', 'handles', 'latency_ms_p50', 'latency_ms_p95', 'rate_hz'):
        values = np.array([getattr(sample, name) for sample in samples], float)
        summary[name] = {
            'first_fifth': _median(values[:fifth]),
            'last_fifth': _median(values[-fifth:]),
            'largest': round(float(np.nanmax(values)), 1),
        }
    minutes = np.array([sample.seconds for sample in samples]) / 60
    memory = np.array([sample.memory_mb for sample in samples])
    late = minutes > minutes[-1] / 5  # networks for new sizes are loaded in the beginning
    summary['memory_slope_mb_per_min'] = round(
        float(np.polyfit(minutes[late], memory[late], 1)[0]), 3
    )
    summary['log'] = {
        'lines': log.count(b'\n'),
        'bytes': len(log),
        'tracebacks': log.count(b'Traceback'),
    }
    summary['cores'] = len(os.sched_getaffinity(0))
    summary['python'] = platform.python_version()
    return summary


def write_report(
    folder: Path, minutes: float, summary: dict[str, Any], samples: list[Sample]
) -> None:
    """Write soak.json, soak.png and soak.md."""
    content = {'summary': summary, 'samples': [asdict(sample) for sample in samples]}
    (folder / 'soak.json').write_text(json.dumps(content, indent=1) + '\n')
    _plot(folder / 'soak.png', samples)
    (folder / 'soak.md').write_text(_page(minutes, summary))


def _median(values: Any) -> float:
    return round(float(np.nanmedian(values)), 1)


def _page(minutes: float, summary: dict[str, Any]) -> str:
    rows = [
        f'| {name} | {value["first_fifth"]} | {value["last_fifth"]} | {value["largest"]} |'
        for name, value in summary.items()
        if isinstance(value, dict) and 'first_fifth' in value
    ]
    events = ', '.join(f'{count} x {name}' for name, count in sorted(summary['events'].items()))
    return '\n'.join(
        [
            f'Soak of {minutes:g} minutes on {summary["cores"]} cores.',
            '',
            '| | median, first fifth | median, last fifth | largest |',
            '|---|---|---|---|',
            *rows,
            '',
            f'Memory slope, first fifth left out: {summary["memory_slope_mb_per_min"]} MB/min.',
            f'Memory after cleanup at the end: {summary["memory_mb_after_cleanup"]} MB.',
            f'Images sent: {summary["images_sent"]}; received: {summary["received"]}.',
            f'Events: {events}. Answers: {summary["answers"]}.',
            f'Unaccounted images: {summary["unaccounted"]}. Log: {summary["log"]}.',
            f'Exit code {summary["node_exit_code"]} {summary["shutdown_s"]} s after SIGTERM.',
            '',
        ]
    )


def _plot(path: Path, samples: list[Sample]) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - takes a second

    mpl.use('Agg')
    import matplotlib.pyplot as plt  # noqa: PLC0415

    minutes = [sample.seconds / 60 for sample in samples]
    figure, axes = plt.subplots(4, 1, sharex=True, figsize=(9, 8), layout='constrained')
    for axis, names in zip(
        axes,
        (
            ('memory_mb',),
            ('threads', 'handles'),
            ('latency_ms_p50', 'latency_ms_p95'),
            ('rate_hz',),
        ),
        strict=True,
    ):
        for name in names:
            axis.plot(minutes, [getattr(sample, name) for sample in samples], label=name, lw=0.8)
        axis.legend(loc='upper left', fontsize=8)
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel('minutes')
    figure.savefig(path, dpi=90)
    plt.close(figure)
