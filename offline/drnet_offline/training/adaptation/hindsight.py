"""Frames of a recording with what sensors measured before them, and just after."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_offline.replay.frames import read_frames
from drnet_ros.errors import RecordingError
from drnet_ros.inference import Frame, SparseDepth

if TYPE_CHECKING:
    from drnet_offline.replay.frames import RecordedFrame
    from drnet_offline.replay.index import Index
    from drnet_offline.replay.sparse_player import SparsePlayer
    from drnet_offline.replay.sparse_topics import SparseTopics

__all__ = ['frames_with_points']


def frames_with_points(
    index: Index, player: SparsePlayer, topics: SparseTopics, positions: Collection[int]
) -> Iterator[tuple[RecordedFrame, SparseDepth]]:
    """Yield frames with what sensors know of the depth in them.

    A depth image is often recorded just after the image of the same time: what was recorded up to
    the next image counts too.

    Args:
        index: The index of the recording.
        player: Takes the messages of the sensors.
        topics: Where they are recorded.
        positions: Which frames.
    """
    wanted = set(positions)
    looked_at = wanted | {position + 1 for position in wanted}
    waiting: RecordedFrame | None = None
    for frame in read_frames(index, side_topics=topics.all, positions=looked_at):
        player.receive(_messages_of(index, frame))
        if waiting is not None:
            yield waiting, _points_of(player, waiting)
        waiting = frame if frame.position in wanted else None
    if waiting is not None:
        yield waiting, _points_of(player, waiting)


def _messages_of(index: Index, frame: RecordedFrame) -> list[tuple[str, Any]]:
    messages: list[tuple[str, Any]] = []
    for recorded in frame.side_messages:
        with suppress(RecordingError):  # a sensor misses one reading
            messages.append((recorded.topic, index.recording.deserialize(recorded)))
    return messages


def _points_of(player: SparsePlayer, frame: RecordedFrame) -> SparseDepth:
    if frame.rgb_hwc is None or frame.camera is None:
        return SparseDepth(np.empty((0, 3)))
    one = Frame(frame.rgb_hwc, frame.camera, stamp_ns=frame.stamp_ns)
    completed = player.complete(one, frame.frame_id).sparse_depth
    return completed if completed is not None else SparseDepth(np.empty((0, 3)))
