"""By what of their messages two sensors that share a topic and a frame can be told apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from drnet_ros.inference.sparse_depth.sources.sensor_kind import SensorKind
from drnet_ros.messages.sparse_reading import is_listed_cloud

__all__ = ['kind_of_sensor']


def kind_of_sensor(name: str, message: Any) -> SensorKind:
    """Return what tells the sensor of a message from others.

    Args:
        name: Its source: 'scan', 'range', 'points' or 'depth'.
        message: The message.
    """
    return _KINDS[name](message)


def _scan(message: Any) -> SensorKind:
    low, high = sorted((float(message.angle_min), float(message.angle_max)))
    words = f'angles {low:.2f} to {high:.2f} rad, range_max {message.range_max:.3g} m'
    return SensorKind(words, (float(message.range_max),), (low, high))


def _range(message: Any) -> SensorKind:
    numbers = float(message.field_of_view), float(message.max_range)
    words = f'field_of_view {numbers[0]:.3g} rad, max_range {numbers[1]:.3g} m'
    return SensorKind(words, (*numbers, float(message.radiation_type)))


def _cloud(message: Any) -> SensorKind:
    if is_listed_cloud(message):
        return SensorKind('points', (math.nan, math.nan))
    words = f'{len(message.fields)} fields, {message.point_step} bytes for each point'
    return SensorKind(words, (float(len(message.fields)), float(message.point_step)))


def _depth(message: Any) -> SensorKind:
    return SensorKind(
        f'{message.width} x {message.height} pixels', (float(message.width), float(message.height))
    )


_KINDS: Mapping[str, Callable[[Any], SensorKind]] = {
    'scan': _scan,
    'range': _range,
    'points': _cloud,
    'depth': _depth,
}
