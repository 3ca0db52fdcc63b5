"""The thread beside the executor in which frames are decoded, computed and published."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drnet_ros.errors import DeviceLostError, DrnetError, ImageError, shown
from drnet_ros.messages.reading import stamp_ns
from drnet_ros.node.inbox import Inbox, WaitingImage

if TYPE_CHECKING:
    from rclpy.impl.rcutils_logger import RcutilsLogger
    from sensor_msgs.msg import CameraInfo

    from drnet_ros.inference import DepthEstimator, Frame, Pending, Settings
    from drnet_ros.node.camera import Camera
    from drnet_ros.node.messages import InputMessage

__all__ = ['Worker']


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A decoded image on its way through the network."""

    image: WaitingImage
    frame: Frame
    info: CameraInfo | None

    @property
    def image_hw(self) -> tuple[int, int]:
        return self.frame.rgb_hwc.shape[0], self.frame.rgb_hwc.shape[1]


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """Jobs that share one forward pass."""

    jobs: list[_Job]
    pending: Pending
    settings: Settings


class Worker:
    """Takes the newest image of each camera, and brings it to its publishers as depth.

    While a batch is computed, the one before it is published. On a device on which batches overlap
    the next one is decoded and handed over meanwhile; else it is taken once its turn has come, so
    that it is the newest image. No lock is held meanwhile, so callbacks never wait.
    """

    def __init__(
        self,
        estimator: DepthEstimator,
        cameras: Mapping[str, Camera],
        settings: Callable[[], Settings],
        logger: RcutilsLogger,
        on_device_lost: Callable[[], None],
    ) -> None:
        """Prepare; `start` begins.

        Args:
            estimator: What computes depth; used by this worker only, until it has stopped.
            cameras: The cameras by their prefix.
            settings: Returns the settings that hold now.
            logger: Logger of the node.
            on_device_lost: Called once the device failed in a way that no later frame gets over.
        """
        self._estimator = estimator
        self._cameras = cameras
        self._settings = settings
        self._logger = logger
        self._on_device_lost = on_device_lost
        self._inbox = Inbox()
        # Parameters may have changed since the estimator was made, while nothing was active.
        self._used = estimator.settings
        self._ended: Future[None] = Future()
        self._is_abandoned = False
        # A daemon, so that an engine that never returns cannot keep the process alive.
        self._thread = threading.Thread(target=self._run, name='depth_worker', daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Finish what is being computed, and stop.

        Args:
            timeout_s: Longest time to wait for it.

        Returns:
            Whether it has stopped.
        """
        self._inbox.close()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def abandon(self, on_end: Callable[[], None]) -> None:
        """Leave a started worker that did not stop to itself: it publishes nothing any more.

        Args:
            on_end: Called in its thread once it does not use the estimator any more; at once if
                that is so.
        """
        self._is_abandoned = True
        self._ended.add_done_callback(lambda _: on_end())

    def receive(self, prefix: str, message: InputMessage) -> None:
        """Take an image in, or leave it out for `max_rate`; returns at once.

        Args:
            prefix: Prefix of the camera it comes from.
            message: The image.
        """
        camera = self._cameras[prefix]
        camera.statistics.received()
        # Without a stamp, the time of arrival has to do.
        taken_ns = stamp_ns(message) or time.monotonic_ns()
        if not camera.image_rate.admits(taken_ns, self._settings().max_rate):
            camera.statistics.skipped()
        elif self._inbox.put(prefix, message):
            camera.statistics.dropped()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._ended.set_result(None)

    def _work(self) -> None:
        computing: list[_Batch] = []
        while computing or not self._inbox.is_closed:
            for batch in computing:
                batch.pending.wait_for_turn()
            images = self._inbox.take(wait=not computing)
            submitted = self._submit(images)
            for batch in computing:
                self._publish(batch)
            computing = submitted

    def _submit(self, images: list[WaitingImage]) -> list[_Batch]:
        """Decode images and hand them to the engine, those of the same size together."""
        settings = self._settings()
        if not self._take_over(settings, images):
            return []
        sizes: dict[tuple[int, int], list[_Job]] = {}
        for image in images:
            job = self._decoded(image, settings)
            if job is not None:
                sizes.setdefault(job.image_hw, []).append(job)
        batches = (self._batch(jobs, settings) for jobs in sizes.values() if self._can_start(jobs))
        return [batch for batch in batches if batch]

    def _take_over(self, settings: Settings, images: list[WaitingImage]) -> bool:
        """Give the estimator the settings that hold now, before an image is judged by them."""
        if settings is self._used:
            return True
        try:
            self._estimator.update(settings)
        except Exception as error:  # noqa: BLE001 - one frame must not end the node
            for image in images:
                self._fail_one(self._cameras[image.prefix], image, error)
            return False
        self._used = settings
        return True

    def _can_start(self, jobs: list[_Job]) -> bool:
        """Hold images back for whose size the engine must get ready; others go on meanwhile."""
        try:
            preparation = self._estimator.prepare_async(*jobs[0].image_hw)
        except Exception as error:  # noqa: BLE001 - one frame must not end the node
            self._fail(jobs, error)
            return False
        if preparation is None:
            return True
        # Kept, since a camera has new ones once it is opened again.
        waiting = {job.image.prefix: self._cameras[job.image.prefix].statistics for job in jobs}
        for job in jobs:
            statistics = waiting[job.image.prefix]
            statistics.preparing(job.image_hw)
            if self._inbox.hold(job.image):
                statistics.dropped()

        def release(_: Future[Any]) -> None:
            for prefix, statistics in waiting.items():
                # In this order: released, the image may have to wait for another preparation.
                statistics.preparing(None)
                self._inbox.release(prefix)

        preparation.add_done_callback(release)
        return False

    def _batch(self, jobs: list[_Job], settings: Settings) -> _Batch | None:
        try:
            pending = self._estimator.submit([self._completed(job, settings) for job in jobs])
        except Exception as error:  # noqa: BLE001 - one frame must not end the node
            self._fail(jobs, error)
            return None
        return _Batch(jobs, pending, settings)

    def _completed(self, job: _Job, settings: Settings) -> Frame:
        camera = self._cameras[job.image.prefix]
        return camera.complete(job.frame, job.image.message.header, settings)

    def _decoded(self, image: WaitingImage, settings: Settings) -> _Job | None:
        camera = self._cameras[image.prefix]
        try:
            if not camera.is_wanted(settings):
                camera.statistics.skipped()
                return None
            rgb_hwc = camera.converter.convert(image.message)
            taken_ns = camera.input_check.look(
                image.message, rgb_hwc, is_filtered=settings.temporal_filter > 0
            )
            frame, info = camera.frame(rgb_hwc, taken_ns, settings)
            self._estimator.check(frame)
        except Exception as error:  # noqa: BLE001 - one frame must not end the node
            self._fail_one(camera, image, error)
            return None
        return _Job(image, frame, info)

    def _publish(self, batch: _Batch) -> None:
        try:
            results = batch.pending.result()
        except Exception as error:  # noqa: BLE001 - one frame must not end the node
            self._fail(batch.jobs, error)
            return
        if self._is_abandoned:  # the publishers may be destroyed
            return
        for job, result in zip(batch.jobs, results, strict=True):
            camera = self._cameras[job.image.prefix]
            try:
                camera.publish(
                    result, job.frame, job.image.message.header, job.info, batch.settings
                )
            except Exception as error:  # noqa: BLE001 - one frame must not end the node
                self._fail_one(camera, job.image, error)
            else:
                camera.statistics.published(job.image.received_s)

    def _fail(self, jobs: list[_Job], error: Exception) -> None:
        for job in jobs:
            self._fail_one(self._cameras[job.image.prefix], job.image, error)
        if isinstance(error, DeviceLostError):
            self._on_device_lost()

    def _fail_one(self, camera: Camera, image: WaitingImage, error: Exception) -> None:
        """Count a frame that failed; log the first one of each kind."""
        is_expected = isinstance(error, DrnetError)
        kind = error.kind if isinstance(error, ImageError) else type(error).__name__
        message = str(error) if is_expected else f'{type(error).__name__}: {error}'
        if not camera.statistics.failed(kind, message):
            return
        details = '' if is_expected else '\n' + ''.join(traceback.format_exception(error))
        source = f' of camera {image.prefix.rstrip("/")}' if image.prefix else ''
        self._logger.error(
            f'dropped a frame{source}: {shown(message)} (further ones of this kind are counted '
            f'but not logged){details}'
        )
