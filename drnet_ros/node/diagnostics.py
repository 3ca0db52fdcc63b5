"""How the node is: one status for each camera on /diagnostics, once a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from drnet_ros.errors import shown
from drnet_ros.node.scale_report import scale_problems, scale_values, source_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drnet_ros.inference import DepthScale
    from drnet_ros.inference.sparse_depth.sources.sensor import SourceStatus
    from drnet_ros.node.gpu_health import GpuState
    from drnet_ros.node.statistics import Snapshot

__all__ = ['CameraHealth', 'Reason', 'camera_status', 'idle_status', 'reasons_of']

_STALE_AFTER_S = 2.0
_DROPPING_FRACTION = 0.1
# Less is not enough for a batch of large images.
_LITTLE_MEMORY_MB = 256
_HELP = 'see docs/troubleshooting.md'

_OK: bytes = DiagnosticStatus.OK
_WARN: bytes = DiagnosticStatus.WARN
_ERROR: bytes = DiagnosticStatus.ERROR


class Reason(NamedTuple):
    """Why a camera is not well.

    Attributes:
        kind: What it is about, the same while figures in the text change.
        level: Level of the diagnostics.
        text: The reason in words.
    """

    kind: str
    level: bytes
    text: str


@dataclass(frozen=True, slots=True)
class CameraHealth:
    """What a status is made of.

    Attributes:
        state: State of the lifecycle node, such as 'active'.
        is_wanted: Whether anybody subscribes to an output.
        camera_problem: Why there is no cloud, '' if there is none.
        image_topic: Topic of the images, '' while the node is not active.
        image_publishers: How many publishers that topic has.
        depth_topic: Topic of the depth.
        depth_publishers: How many publishers that topic has, this node included.
        image_reliability: How it is subscribed to: 'reliable', 'best_effort', or '' while the node
            is not active.
        counts: Counts and times.
        infos_in: CameraInfos received since activation.
        infos_lost: CameraInfos that were published but never came in.
        gpu: The GPU that computes, None for a CPU.
        image_types: Types of the image topic's publishers that cannot be read as images.
        image_topics: Topics of the graph that have images, if the one read has no publisher.
        oddities: What is odd about the images, by kind.
        sources: How the sources of sparse depth fare, by name; none if none is set.
        scale: What the last depth was scaled by, None without sources.
    """

    state: str
    is_wanted: bool
    camera_problem: str
    image_topic: str
    image_publishers: int
    depth_topic: str
    depth_publishers: int
    image_reliability: str
    counts: Snapshot
    infos_in: int
    infos_lost: int
    gpu: GpuState | None
    image_types: tuple[str, ...]
    image_topics: tuple[str, ...]
    oddities: Mapping[str, str]
    sources: Mapping[str, SourceStatus]
    scale: DepthScale | None


def camera_status(
    name: str, health: CameraHealth, reasons: Sequence[Reason], description: Mapping[str, str]
) -> DiagnosticStatus:
    """Judge the health of one camera.

    Args:
        name: Name of the status.
        health: What is known.
        reasons: What `reasons_of` makes of it.
        description: What runs: engine, device, weights and the like, shown as it is.

    Returns:
        The status: level, reasons, and all figures as values.
    """
    level = max((reason.level for reason in reasons), default=_OK)
    texts = [reason.text for reason in reasons]
    message = '; '.join([*texts, _HELP]) if texts else _well(health)
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
        values=[KeyValue(key=key, value=shown(value)) for key, value in values.items()],
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


def reasons_of(health: CameraHealth) -> list[Reason]:
    """Return why a camera is not well.

    Args:
        health: What is known.

    Returns:
        The reasons; none if it is well, idle or not active.
    """
    if health.gpu is not None and health.gpu.is_lost:
        text = 'GPU lost: restart the node, or else the computer'
        return [Reason('gpu', _ERROR, text)]
    if health.state != 'active':
        return []
    counts = health.counts
    reasons = []
    if counts.input_age_s is None or counts.input_age_s > _STALE_AFTER_S:
        reasons.append(Reason('no images', _WARN, _missing_input(health)))
    if counts.recent_failed:
        level = _WARN if counts.recent_out else _ERROR
        share = f'{counts.recent_failed} of {counts.recent_in} frames'
        text = f'failing ({share}): {counts.last_failure}'
        reasons.append(Reason('failing frames', level, text))
    reasons += _gpu_reasons(health.gpu)
    if not health.is_wanted and not reasons:
        return []
    if counts.recent_in and health.camera_problem:
        effect = 'no cloud, and a wrong scale unless the field of view is that of the training'
        text = f'{health.camera_problem}: {effect}'
        reasons.append(Reason('camera_info', _WARN, text))
    reasons += [Reason(kind, _WARN, text) for kind, text in health.oddities.items()]
    reasons += _mixing_reasons(health)
    if counts.recent_out:
        problems = scale_problems(health.scale, health.sources)
        reasons += [Reason(kind, _WARN, text) for kind, text in problems.items()]
    reasons += _pace_reasons(counts)
    return [reason._replace(text=shown(reason.text)) for reason in reasons]


def _mixing_reasons(health: CameraHealth) -> list[Reason]:
    """Return which topics have several publishers, whose messages nobody can tell apart."""
    reasons = []
    if health.counts.recent_in and health.image_publishers > 1:
        text = (
            f'{health.image_topic} has {health.image_publishers} publishers: images of different '
            'cameras mix; stop all but one'
        )
        reasons.append(Reason('publishers of images', _WARN, text))
    if health.depth_publishers > 1:
        text = (
            f'{health.depth_topic} has {health.depth_publishers} publishers: depth of different '
            'nodes mixes; give each node a namespace of its own'
        )
        reasons.append(Reason('publishers of depth', _WARN, text))
    return reasons


def _well(health: CameraHealth) -> str:
    if health.state != 'active':
        return health.state
    return 'running' if health.is_wanted else 'idle: no subscriber to any output'


def _pace_reasons(counts: Snapshot) -> list[Reason]:
    """Return why not every image becomes depth."""
    reasons = []
    if counts.preparing_hw:
        height, width = counts.preparing_hw
        text = f'getting ready for images of {width} x {height}: no depth until then'
        reasons.append(Reason('getting ready', _WARN, text))
    if counts.recent_dropped > _DROPPING_FRACTION * counts.recent_in:
        share = f'{counts.recent_dropped / max(1, counts.recent_in):.0%} of the frames'
        text = f'dropping {share}: images come faster than depth is computed'
        reasons.append(Reason('dropped frames', _WARN, text))
    if counts.recent_lost > _DROPPING_FRACTION * (counts.recent_in + counts.recent_lost):
        share = f'{counts.recent_lost / (counts.recent_in + counts.recent_lost):.0%}'
        text = f'losing {share} of the published frames before they reach the node'
        reasons.append(Reason('lost frames', _WARN, text))
    return reasons


def _gpu_reasons(gpu: GpuState | None) -> list[Reason]:
    if gpu is None:
        return []
    reasons = []
    is_hot = gpu.temperature_c is not None and gpu.temperature_c >= (gpu.slowdown_c or 1000)
    if gpu.is_slowed_by_heat or is_hot:
        text = f'over temperature: GPU at {gpu.temperature_c} C is slowed down, cool it'
        reasons.append(Reason('GPU temperature', _WARN, text))
    if gpu.free_mb is not None and gpu.free_mb < _LITTLE_MEMORY_MB:
        text = f'GPU almost out of memory: {gpu.free_mb} MB free'
        reasons.append(Reason('GPU memory', _WARN, text))
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
    topic, age_s = health.image_topic, health.counts.input_age_s
    if health.image_types:
        return f'no input: {topic} has {", ".join(health.image_types)}, {_advice(health)}'
    if age_s is not None:
        return f'stale input: no image on {topic} for {age_s:.0f} s'
    if health.image_publishers:
        return f'no input: {topic} has a publisher, but no image has come'
    text = f'no input: {topic} has no publisher'
    if health.image_topics:
        return f'{text}; there are images on {", ".join(health.image_topics)}'
    return text


def _advice(health: CameraHealth) -> str:
    """Return what helps with a topic of another type."""
    if health.image_types == ('sensor_msgs/msg/CompressedImage',):
        base = health.image_topic.removesuffix('/compressed')
        # image_transport names it so; another name has to be given in full.
        remapped = 'image' if base != health.image_topic else 'image/compressed'
        return f'no Image: set image_transport to compressed, and remap {remapped} to {base}'
    if health.image_types == ('sensor_msgs/msg/Image',):
        return 'no CompressedImage: set image_transport to raw, and remap image to this topic'
    return 'which is no image: remap image to a topic that has images'
