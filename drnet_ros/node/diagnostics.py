"""How the node is: one status for each camera on /diagnostics, once a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from drnet_ros.node.scale_report import scale_problems, scale_values, source_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drnet_ros.inference import DepthScale
    from drnet_ros.inference.sparse_depth.sources.sensor import SourceStatus
    from drnet_ros.node.gpu_health import GpuState
    from drnet_ros.node.statistics import Snapshot

__all__ = ['CameraHealth', 'camera_status', 'idle_status']

_STALE_AFTER_S = 2.0
_DROPPING_FRACTION = 0.1
# Less is not enough for a batch of large images.
_LITTLE_MEMORY_MB = 256
_HELP = 'see docs/troubleshooting.md'

_OK: bytes = DiagnosticStatus.OK
_WARN: bytes = DiagnosticStatus.WARN
_ERROR: bytes = DiagnosticStatus.ERROR


@dataclass(frozen=True, slots=True)
class CameraHealth:
    """What a status is made of.

    Attributes:
        state: State of the lifecycle node, such as 'active'.
        is_wanted: Whether anybody subscribes to an output.
        camera_problem: Why there is no cloud, '' if there is none.
        image_topic: Topic of the images, '' while the node is not active.
        image_publishers: How many publishers that topic has.
        image_reliability: How it is subscribed to: 'reliable', 'best_effort', or '' while the node
            is not active.
        counts: Counts and times.
        infos_in: CameraInfos received since activation.
        infos_lost: CameraInfos that were published but never came in.
        gpu: The GPU that computes, None for a CPU.
        sources: How the sources of sparse depth fare, by name; none if none is set.
        scale: What the last depth was scaled by, None without sources.
    """

    state: str
    is_wanted: bool
    camera_problem: str
    image_topic: str
    image_publishers: int
    image_reliability: str
    counts: Snapshot
    infos_in: int
    infos_lost: int
    gpu: GpuState | None
    sources: Mapping[str, SourceStatus]
    scale: DepthScale | None


def camera_status(
    name: str, health: CameraHealth, description: Mapping[str, str]
) -> DiagnosticStatus:
    """Judge the health of one camera.

    Args:
        name: Name of the status.
        health: What is known.
        description: What runs: engine, device, weights and the like, shown as it is.

    Returns:
        The status: level, reasons, and all figures as values.
    """
    level, message = _judge(health)
    counts = health.counts
    values = {
        'state': health.state,
        'rate_hz': f'{counts.rate_hz:.2f}',
        'latency_ms_p50': f'{counts.latency_ms(0.5):.1f}',
        'latency_ms_p95': f'{counts.latency_ms(0.95):.1f}',
        'frames_in': str(counts.frames_in),
        'frames_out': str(counts.frames_out),
        'frames_dropped': str(counts.frames_dropped),
        'frames_failed': str(counts.frames_failed),
        'frames_skipped': str(counts.frames_skipped),
        'frames_lost': str(counts.frames_lost),
        'camera_infos_in': str(health.infos_in),
        'camera_infos_lost': str(health.infos_lost),
        'input_reliability': health.image_reliability,
        'last_failure': counts.last_failure,
        **description,
        **_gpu_values(health.gpu),
        **source_values(health.sources),
        **_scale_values(health.scale),
    }
    return DiagnosticStatus(
        level=level,
        name=name,
        message=message,
        hardware_id='drnet_ros',
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )


def idle_status(name: str, state: str) -> DiagnosticStatus:
    """Return the status of a node that has no cameras as yet.

    Args:
        name: Name of the status.
        state: State of the lifecycle node, such as 'unconfigured'.
    """
    return DiagnosticStatus(
        level=_OK,
        name=name,
        message=state,
        hardware_id='drnet_ros',
        values=[KeyValue(key='state', value=state)],
    )


def _judge(health: CameraHealth) -> tuple[bytes, str]:
    """Return the level, and its reasons in words."""
    if health.gpu is not None and health.gpu.is_lost:
        return _ERROR, f'GPU lost: restart the node, or else the computer; {_HELP}'
    if health.state != 'active':
        return _OK, health.state
    counts = health.counts
    reasons: list[tuple[bytes, str]] = []
    if counts.input_age_s is None or counts.input_age_s > _STALE_AFTER_S:
        reasons.append((_WARN, _missing_input(health)))
    if counts.recent_failed:
        level = _WARN if counts.recent_out else _ERROR
        share = f'{counts.recent_failed} of {counts.recent_in} frames'
        reasons.append((level, f'failing ({share}): {counts.last_failure}'))
    reasons += _gpu_reasons(health.gpu)
    if not health.is_wanted and not reasons:
        return _OK, 'idle: no subscriber to any output'
    if counts.recent_in and health.camera_problem:
        effect = 'no cloud, and a wrong scale unless the field of view is that of the training'
        reasons.append((_WARN, f'{health.camera_problem}: {effect}'))
    if counts.recent_out:
        reasons += [(_WARN, text) for text in scale_problems(health.scale, health.sources)]
    reasons += _pace_reasons(counts)
    if not reasons:
        return _OK, 'running'
    return max(level for level, _ in reasons), '; '.join([*(text for _, text in reasons), _HELP])


def _pace_reasons(counts: Snapshot) -> list[tuple[bytes, str]]:
    """Return why not every image becomes depth."""
    reasons = []
    if counts.preparing_hw:
        height, width = counts.preparing_hw
        text = f'getting ready for images of {width} x {height}: no depth until then'
        reasons.append((_WARN, text))
    if counts.recent_dropped > _DROPPING_FRACTION * counts.recent_in:
        share = f'{counts.recent_dropped / max(1, counts.recent_in):.0%} of the frames'
        reasons.append((_WARN, f'dropping {share}: images come faster than depth is computed'))
    if counts.recent_lost > _DROPPING_FRACTION * (counts.recent_in + counts.recent_lost):
        share = f'{counts.recent_lost / (counts.recent_in + counts.recent_lost):.0%}'
        reasons.append(
            (_WARN, f'losing {share} of the published frames before they reach the node')
        )
    return reasons


def _gpu_reasons(gpu: GpuState | None) -> list[tuple[bytes, str]]:
    if gpu is None:
        return []
    reasons = []
    is_hot = gpu.temperature_c is not None and gpu.temperature_c >= (gpu.slowdown_c or 1000)
    if gpu.is_slowed_by_heat or is_hot:
        text = f'over temperature: GPU at {gpu.temperature_c} C is slowed down, cool it'
        reasons.append((_WARN, text))
    if gpu.free_mb is not None and gpu.free_mb < _LITTLE_MEMORY_MB:
        reasons.append((_WARN, f'GPU almost out of memory: {gpu.free_mb} MB free'))
    return reasons


def _scale_values(scale: DepthScale | None) -> dict[str, str]:
    if scale is None:
        return {}
    return {f'scale_{name}': value for name, value in scale_values(scale).items()}


def _gpu_values(gpu: GpuState | None) -> dict[str, str]:
    if gpu is None:
        return {}
    known = {
        'gpu_temperature_c': gpu.temperature_c,
        'gpu_memory_free_mb': gpu.free_mb,
        'gpu_memory_total_mb': gpu.total_mb,
    }
    return {name: str(value) for name, value in known.items() if value is not None}


def _missing_input(health: CameraHealth) -> str:
    age_s = health.counts.input_age_s
    if age_s is not None:
        return f'stale input: no image on {health.image_topic} for {age_s:.0f} s'
    if health.image_publishers == 0:
        return f'no input: {health.image_topic} has no publisher'
    return f'no input: {health.image_topic} has a publisher, but no image has come'
