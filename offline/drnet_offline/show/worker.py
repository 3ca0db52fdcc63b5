"""The thread of `drnet show`: takes images, estimates, sends frames, and does what pages ask."""

from __future__ import annotations

import json
import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drnet_offline.errors import OfflineError
from drnet_offline.outputs.wording import counted
from drnet_offline.show.colour_range import ColourRange
from drnet_offline.show.commands import Command, parse_known
from drnet_offline.show.frame_message import cloud_rays, frame_message, shown_image
from drnet_offline.show.hub import Hub
from drnet_offline.show.recorder import Recorder, start_recording
from drnet_offline.show.session import CHANGEABLE, Session
from drnet_offline.show.source import Source, SourceImage
from drnet_ros.errors import CameraError, DrnetError, ImageError, one_line
from drnet_ros.inference import CameraModel, DepthFrame, DepthScale
from drnet_ros.inference.depth import depth_range

__all__ = ['Worker']

_POLL_S = 0.1
_REMEMBERED_IMAGES = 8  # so that a click reaches the image that was shown when it was made


@dataclass(frozen=True, slots=True, eq=False)
class _Numbered:
    number: int
    image: SourceImage


class Worker:
    """Works only while a page wants frames.

    Attributes:
        failure: What ended it, None if it was stopped.
    """

    def __init__(
        self,
        source: Source,
        open_session: Callable[[], Session],
        hub: Hub,
        output: Path,
        on_end: Callable[[], None],
        on_problem: Callable[[str], None],
    ) -> None:
        """Prepare.

        Args:
            source: What gives the images.
            open_session: Loads the network; called in the thread.
            hub: Where the pages are.
            output: The folder of recordings.
            on_end: Called when the thread ends.
            on_problem: Called with each new problem of the source.
        """
        self.failure: Exception | None = None
        self._source = source
        self._open_session = open_session
        self._hub = hub
        self._output = output
        self._on_end = on_end
        self._on_problem = on_problem
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name='depth')
        self._recent: deque[_Numbered] = deque(maxlen=_REMEMBERED_IMAGES)
        self._number = 0
        self._is_paused = False
        self._is_changed = False
        self._colours = ColourRange()
        self._recorder: Recorder | None = None
        self._saved = ''  # where the last recording is
        self._camera: CameraModel | None = None
        self._camera_number = 0
        self._problem = ''  # of the source or the image
        self._refusal = ''  # of the last command
        self._state: dict[str, Any] = {'kind': 'state', 'problem': 'loading the network'}

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for it."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def command(self, command: Command) -> None:
        """Do what a page asks, as soon as the frame at work is done.

        Args:
            command: What the page sent.
        """
        self._commands.put(command)

    @property
    def state(self) -> str:
        """What pages must know, as JSON."""
        return json.dumps(self._state)

    def rays(self, number: int) -> bytes:
        """Return the rays of the cloud's points.

        Args:
            number: Of which camera, as frames have it.

        Returns:
            As `cloud_rays`; b'' if the camera was replaced by another.
        """
        camera = self._camera
        return b'' if camera is None or number != self._camera_number else cloud_rays(camera)

    def _run(self) -> None:
        try:
            with self._open_session() as session:
                self._publish_state(session)
                while not self._stop.is_set():
                    self._step(session)
        except Exception as error:  # noqa: BLE001 - the thread that waits for this one raises it
            self.failure = error
        finally:
            self._end_recording()
            self._on_end()

    def _step(self, session: Session) -> None:
        while not self._commands.empty():
            self._obey(session, self._commands.get())
        if not self._hub.wait_for_demand(_POLL_S):
            if not self._hub.count():
                self._source.rest()
                if self._recorder is not None:
                    self._end_recording()
                    self._publish_state(session)  # for the page that is opened next
            return
        image = self._next_image()
        self._report(session, self._source.problem)
        if image is None:
            return
        self._is_changed = False
        try:
            self._show(session, image)
        except (CameraError, ImageError) as error:
            self._report(session, one_line(error))
            self._stop.wait(_POLL_S)

    def _next_image(self) -> _Numbered | None:
        """Return the next image, or the present one again if it must be shown anew."""
        present = self._recent[-1] if self._recent else None
        if self._is_changed and present is not None:
            return present
        if self._is_paused and present is not None:
            self._source.rest()
            self._stop.wait(_POLL_S)
            return None
        image = self._source.next(_POLL_S)
        if image is None:
            return None
        self._number += 1
        self._recent.append(_Numbered(self._number, image))
        return self._recent[-1]

    def _show(self, session: Session, numbered: _Numbered) -> None:
        image = numbered.image
        result = session.estimate(image)
        range_m = self._colours.update(depth_range(result.depth_hw), image.stamp_ns)
        if result.camera != self._camera:
            self._camera, self._camera_number = result.camera, self._camera_number + 1
        shown = shown_image(image.rgb_hwc, result)
        if self._recorder is not None:
            self._record(session, shown, result, range_m)
        known = session.known if session.has_known(image) else ()
        header = {
            'number': numbered.number,
            'near': range_m[0],
            'far': range_m[1],
            'camera': self._camera_number,
            'assumed': session.is_assumed(image),
            'scale': _scale_facts(result.scale),
            'known': [[each.x, each.y, each.depth_m] for each in known],
        }
        self._hub.send_frame(frame_message(header, shown, result), image.taken_s)

    def _record(
        self, session: Session, shown: Any, result: DepthFrame, range_m: tuple[float, float]
    ) -> None:
        try:
            if self._recorder is not None:
                self._recorder.add(shown, result, range_m)
        except (OfflineError, OSError) as error:
            self._end_recording()
            self._refuse(error)
            self._publish_state(session)

    def _obey(self, session: Session, command: Command) -> None:
        self._refusal = ''
        try:
            if 'set' in command:
                session.change(command['set'])
            if 'pause' in command:
                self._is_paused = command['pause']
            if 'known' in command:
                self._add_known(session, command['known'])
            if 'forget' in command:
                session.forget()
            if 'record' in command:
                self._end_recording()
                if command['record']:
                    self._saved = ''
                    self._recorder = start_recording(command['record'], self._output)
            self._is_changed = 'record' not in command and 'pause' not in command
        except DrnetError as error:
            self._refusal = one_line(error)
        self._publish_state(session)

    def _add_known(self, session: Session, words: Any) -> None:
        number, known = parse_known(words)
        for numbered in self._recent:
            if numbered.number == number:
                session.add_known(numbered.image, known)
                self._recent.append(numbered)
                return
        msg = 'that image is gone: pause, then click'
        raise OfflineError(msg)

    def _report(self, session: Session, problem: str) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        self._publish_state(session)
        if problem:
            self._on_problem(problem)

    def _publish_state(self, session: Session) -> None:
        recorder = self._recorder
        settings = session.settings
        self._state = {
            'kind': 'state',
            'title': self._source.title,
            'problem': self._refusal or self._problem,
            'paused': self._is_paused,
            'recording': '' if recorder is None else str(recorder.path),
            'saved': self._saved,
            'runs': session.describe(),
            'settings': {name: getattr(settings, name) for name in CHANGEABLE},
        }
        self._hub.send_text(self.state)

    def _end_recording(self) -> None:
        if self._recorder is None:
            return
        recorder, self._recorder = self._recorder, None
        try:
            recorder.close()
        except (OfflineError, OSError) as error:
            self._refuse(error)
            return
        if recorder.count:
            self._saved = f'{recorder.path} ({counted(recorder.count, "image")})'

    def _refuse(self, error: Exception) -> None:
        """Say on the page and in the terminal that nothing more is recorded."""
        self._refusal = one_line(error)
        self._on_problem(self._refusal)


def _scale_facts(scale: DepthScale | None) -> dict[str, Any] | None:
    if scale is None:
        return None
    return {
        'factor': scale.factor,
        'relative_stddev': scale.relative_stddev,
        'points': scale.points,
        'age_s': scale.age_s,
        'refusal': scale.refusal,
    }
