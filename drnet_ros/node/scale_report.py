"""What depth was scaled by, as a message and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from std_msgs.msg import Header

    from drnet_ros.inference import DepthScale
    from drnet_ros.inference.sparse_depth.sources.sensor import SourceStatus

__all__ = ['scale_message', 'scale_problems', 'scale_values', 'source_values']

# Of the points that were compared with the estimate; glass and people make fewer.
_MANY_OUTLIERS = 0.4
_STALE_S = 1.0


def scale_message(scale: DepthScale, header: Header, name: str) -> DiagnosticArray:
    """Build the message of the topic depth/scale.

    Args:
        scale: What the depth of an image was scaled by.
        header: Header of the image.
        name: Name of the status.

    Returns:
        One status; WARN if the points of the image, or those of a source, were refused.
    """
    problem = scale.refusal or scale.contradiction
    level = DiagnosticStatus.WARN if problem else DiagnosticStatus.OK
    status = DiagnosticStatus(
        level=level,
        name=name,
        message=problem or f'depth is multiplied by {scale.factor:.3f}',
        hardware_id='drnet_ros',
        values=[KeyValue(key=key, value=value) for key, value in scale_values(scale).items()],
    )
    return DiagnosticArray(header=header, status=[status])


def scale_values(scale: DepthScale) -> dict[str, str]:
    """Return the figures of a scale: factor, relative_stddev, points, residual and so on.

    Args:
        scale: The scale. Its age is 'never' if no points were ever used, its residual '' if none
            could be compared.
    """
    return {
        'factor': f'{scale.factor:.6g}',
        'relative_stddev': f'{scale.relative_stddev:.6g}',
        'points': str(scale.points),
        'residual': '' if scale.residual is None else f'{scale.residual:.4g}',
        'source': scale.source,
        'age_s': 'never' if scale.age_s is None else f'{scale.age_s:.3f}',
        **{f'dropped_{reason}': str(count) for reason, count in scale.dropped.items()},
    }


def source_values(sources: Mapping[str, SourceStatus]) -> dict[str, str]:
    """Return how the sources fare, as values of the diagnostics.

    Args:
        sources: Their status by name.
    """
    values = {}
    for name, status in sources.items():
        values[f'{name}_received'] = str(status.received)
        values[f'{name}_points'] = str(status.points)
        values[f'{name}_problem'] = status.problem
    return values


def scale_problems(
    scale: DepthScale | None, sources: Mapping[str, SourceStatus]
) -> dict[str, str]:
    """Return why the scale is not as sure as the sources could make it, in words by kind.

    Args:
        scale: The scale of the last image, None if there is none.
        sources: The status of the sources by name, none if none is set.
    """
    if not sources or scale is None:
        return {}
    problems = {
        f'source {name}': f'{name}: {status.problem}'
        for name, status in sources.items()
        if status.problem and (status.is_fault or not scale.points)
    }
    if scale.refusal:
        problems['sparse depth'] = scale.refusal
    if scale.contradiction:
        problems['sources'] = scale.contradiction
    outliers = scale.dropped.get('outlier', 0)
    if outliers > _MANY_OUTLIERS * (scale.points + outliers):
        problems['outliers'] = (
            f'{outliers} of {scale.points + outliers} points contradict the others: check their '
            'frame, the extrinsics and the stamps'
        )
    reason = f': {scale.unseen}' if scale.unseen else ''
    if scale.age_s is None:
        problems['scale'] = f'the scale is that of the image alone{reason}'
    elif scale.age_s > _STALE_S:
        problems['scale'] = f'the scale is {scale.age_s:.0f} s old{reason}'
    return problems
