"""What a person must know of a recording to judge the demo's depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drnet_offline.outputs.wording import counted
from drnet_offline.replay.frames import middle_image
from drnet_offline.replay.index import index_recording
from drnet_offline.replay.registration import index_warnings, registration_warnings
from drnet_ros.errors import RecordingError
from drnet_ros.inference.images.doubts import REGION_DOUBT, has_whole_size

if TYPE_CHECKING:
    from drnet_ros.recordings.recording import Recording
    from drnet_ros.recordings.topics import TopicChoice

__all__ = ['oddities']

_TOLERANCE_S = 0.02


def oddities(recording: Recording, choice: TopicChoice) -> tuple[list[str], list[str]]:
    """Return what is odd about cameras, stamps and frames, and what camera_info cannot be read.

    Args:
        recording: The recording.
        choice: Its topics.

    Returns:
        Whole sentences of each.
    """
    try:
        index = index_recording(recording, choice, _TOLERANCE_S)
    except RecordingError:  # playing it has said so
        return [], []
    found = index.cameras.find(0)
    size = (1, 1) if found is None else (found[1].height, found[1].width)
    depth = registration_warnings(index, size, size) if len(index.depths) else []
    problems = [
        f'{counted(count, "message")}: {text}' for text, count in index.camera_problems.items()
    ]
    region = []
    if found is not None and (rgb_hwc := middle_image(index)) is not None:
        height, width = rgb_hwc.shape[:2]
        region = [REGION_DOUBT] if has_whole_size(found[0], (height, width)) else []
    return [*index_warnings(index), *region, *depth], problems
