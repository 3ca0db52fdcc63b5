"""Figures of what came back from a node: rates, waits, and how even they are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

import numpy as np
from node_client import Received

__all__ = ['evenness', 'quantiles', 'rate', 'rate_of_times', 'spread']


def rate(frames: Sequence[Received]) -> float:
    """Return frames per second, from the first arrival to the last one."""
    if len(frames) < 2:
        return 0.0
    return (len(frames) - 1) / (frames[-1].arrived_s - frames[0].arrived_s)


def rate_of_times(times_s: Sequence[float]) -> float:
    """Return images per second of images that took so long, one after the other."""
    return len(times_s) / sum(times_s)


def quantiles(frames: Sequence[Received]) -> dict[str, float]:
    """Return p50 and p95 of the time from an image to its result, milliseconds."""
    times_ms = [1e3 * (frame.arrived_s - frame.sent_s) for frame in frames] or [float('nan')]
    return {f'p{q}': round(float(np.percentile(times_ms, q)), 1) for q in (50, 95)}


def evenness(turns: Sequence[Sequence[Received]], sent: int) -> dict[str, float]:
    """Return jitter and missed frames, the terms of NVIDIA's `ros2_benchmark`.

    Args:
        turns: What came back in each turn, in the order of arrival.
        sent: How many images were sent.

    Returns:
        mean_jitter_ms and max_jitter_ms, by how much the interval between two results differs from
        that between their images; missed_frames; sent_frames.
    """
    jitter_ms = [
        1e3 * abs((later.arrived_s - one.arrived_s) - (later.sent_s - one.sent_s))
        for frames in turns
        for one, later in pairwise(frames)
    ] or [float('nan')]
    return {
        'mean_jitter_ms': round(float(np.mean(jitter_ms)), 2),
        'max_jitter_ms': round(float(np.max(jitter_ms)), 1),
        'missed_frames': sent - sum(map(len, turns)),
        'sent_frames': sent,
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, least and greatest value."""
    rounded = [round(value, 3) for value in (median(values), min(values), max(values))]
    return dict(zip(('median', 'min', 'max'), rounded, strict=True))
