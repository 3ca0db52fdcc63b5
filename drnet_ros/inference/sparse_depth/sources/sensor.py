"""One source of readings: the last ones of each of its frames, and how it fares."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from drnet_ros.errors import DrnetError, SparseDepthError
from drnet_ros.inference.sparse_depth.sources.motion import ImageMoment, bring
from drnet_ros.inference.sparse_depth.sources.pose_track import is_set_back
from drnet_ros.inference.sparse_depth.sources.sensor_kind import mixed_kinds

if TYPE_CHECKING:
    from drnet_ros.inference.sparse_depth.points import SparseDepth
    from drnet_ros.inference.sparse_depth.sources.readings import Reading
    from drnet_ros.inference.sparse_depth.sources.sensor_kind import SensorKind
    from drnet_ros.inference.sparse_depth.sources.transforms import TransformBuffer

__all__ = ['SensorSource', 'SourceStatus']

_KEPT_READINGS = 5
_MOST_FRAMES = 16


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How a source fares.

    Attributes:
        received: Messages that came in.
        points: Points that it had for the last image, before they are compared with the image.
        problem: Why it had none, or less than it could; '' if all is well.
        is_fault: Whether something is to be mended; a robot that stands still is no fault.
    """

    received: int = 0
    points: int = 0
    problem: str = 'no message has come'
    is_fault: bool = True


@dataclass(slots=True, eq=False)
class _Kept:
    """A reading that is made of its message when it is first used."""

    moment: ImageMoment
    kind: SensorKind | None
    read: Callable[[], Reading]
    reading: Reading | None = None

    def get(self) -> Reading:
        if self.reading is None:
            self.reading = self.read()
            self.read = _spent  # frees the message
        return self.reading


class SensorSource:
    """Keeps the last readings of a sensor, or of several that share a topic.

    `add` is for one thread, `at` for another.

    Attributes:
        status: How it fares.
    """

    def __init__(self, name: str) -> None:
        """Begin without readings.

        Args:
            name: Name of the source, such as 'scan'.
        """
        self.status = SourceStatus()
        self._name = name
        self._lock = threading.Lock()
        self._kept: dict[str, deque[_Kept]] = {}
        self._received = 0

    def add(
        self,
        stamp_ns: int,
        frame_id: str,
        read: Callable[[], Reading],
        kind: SensorKind | None = None,
    ) -> None:
        """Take a reading.

        Args:
            stamp_ns: Its stamp. If time was set back, those before it are forgotten.
            frame_id: Frame of its sensor.
            read: Makes the reading; called when it is first used.
            kind: By what its sensor can be told from others.
        """
        with self._lock:
            self._received += 1
            if frame_id not in self._kept and len(self._kept) >= _MOST_FRAMES:
                self._kept.pop(next(iter(self._kept)))
            kept = self._kept.setdefault(frame_id, deque(maxlen=_KEPT_READINGS))
            if any(is_set_back(stamp_ns, entry.moment.stamp_ns) for entry in kept):
                kept.clear()
            kept.append(_Kept(ImageMoment(stamp_ns, frame_id), kind, read))

    def at(
        self, image: ImageMoment, transforms: TransformBuffer, fixed_frame: str
    ) -> list[SparseDepth]:
        """Return the readings nearest to the stamp of an image, one for each frame of a sensor.

        Args:
            image: The image.
            transforms: What is known of the frames.
            fixed_frame: See `motion.bring`.

        Returns:
            Points in the optical frame; none where there are none to be had: `status` says why.
        """
        with self._lock:
            received = self._received
            nearest = [
                # Of several with one stamp, the last that came.
                min(reversed(kept), key=lambda entry: abs(entry.moment.stamp_ns - image.stamp_ns))
                for kept in self._kept.values()
            ]
            kinds = {
                frame: [entry.kind for entry in kept if entry.kind is not None]
                for frame, kept in self._kept.items()
            }
        found: list[SparseDepth] = []
        problems = [] if received else ['no message has come']
        mixed = ((frame, mixed_kinds(each)) for frame, each in kinds.items())
        problems += [f'{frame}: {words}' for frame, words in mixed if words]
        for entry in nearest:
            try:
                moved = bring(entry.get(), entry.moment, image, transforms, fixed_frame)
            except DrnetError as error:
                where = f'{entry.moment.frame_id}: ' if len(nearest) > 1 else ''
                problems.append(f'{where}{error}')
                continue
            found.append(replace(moved.sparse_depth, source=self._name))
            if moved.note:
                problems.append(moved.note)
        points = sum(map(len, found))
        if received and not points and not problems:
            problems.append('the messages hold no valid measurement')
        self.status = SourceStatus(received, points, '; '.join(dict.fromkeys(problems)))
        return found


def _spent() -> Reading:
    msg = 'this reading was made already'
    raise SparseDepthError(msg)
