"""The interface that every engine has: a batch of frames in, a future-like result out.

An engine owns everything between the decoded image and the finished depth frame: resizing to the
network, normalisation, the network, focal scaling, resizing to the output, range, edge filter and
cloud. So an engine on a GPU can do all of it there, and callers never see where it happened.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_ros.errors import EngineError
from drnet_ros.inference.limits import check_shape

if TYPE_CHECKING:
    from concurrent.futures import Future

    from drnet_ros.inference.frames import DepthFrame, Frame
    from drnet_ros.inference.settings import Settings

__all__ = ['Engine', 'MappedPending', 'OwnProcess', 'Pending', 'check_batch']


class Pending(ABC):
    """Work under way for one submitted batch."""

    @abstractmethod
    def result(self, timeout_s: float | None = None) -> list[DepthFrame]:
        """Wait for the batch and return one depth frame for each of its frames, in order.

        Args:
            timeout_s: Longest time to wait, or None to wait until it is done.

        Returns:
            The depth frames; the same ones if called again.

        Raises:
            TimeoutError: If it is not done in time; the work goes on, and `result` may be
                called again.
            EngineError: If the computation failed.
            CameraError: If a frame's camera has another aspect ratio than its image.
        """

    def wait_for_turn(self) -> None:  # noqa: B027 - to overlap is what an interface can assume
        """Wait until the engine can begin the next batch; returns at once where batches overlap.

        On an engine that runs one batch at a time, one submitted earlier only grows old in its
        queue while newer images come in. Raises nothing: a failure is raised by `result`.
        """


class OwnProcess:
    """Remembers the process it was made in: threads and devices do not live on in a forked one."""

    def __init__(self) -> None:
        """Remember this process."""
        self._number = os.getpid()

    def check(self) -> None:
        """Refuse to be used in another process, where work would never end.

        Raises:
            EngineError: This is another process.
        """
        if os.getpid() != self._number:
            msg = (
                'an estimator must be used in the process that made it, which a forked one is '
                'not: make one in each process, such as with the start method spawn'
            )
            raise EngineError(msg)


class MappedPending(Pending):
    """Work whose frames are changed, one by one, once they are fetched."""

    def __init__(
        self,
        pending: Pending,
        frames: Sequence[Frame],
        change: Callable[[Frame, DepthFrame], DepthFrame],
    ) -> None:
        """Change nothing as yet.

        Args:
            pending: The work of the engine.
            frames: What was submitted.
            change: Takes what was submitted and what came of it, and returns what is to come of
                it. It is called once for each frame, in order, by the first `result`.
        """
        self._pending = pending
        self._frames = frames
        self._change = change
        self._changed: list[DepthFrame] | None = None

    def wait_for_turn(self) -> None:
        """Wait as the engine's own work does."""
        self._pending.wait_for_turn()

    def result(self, timeout_s: float | None = None) -> list[DepthFrame]:
        """Wait for the engine, then change each frame."""
        if self._changed is None:
            results = self._pending.result(timeout_s)
            self._changed = [
                self._change(frame, result)
                for frame, result in zip(self._frames, results, strict=True)
            ]
            self._frames = ()
        return self._changed


class Engine(ABC):
    """Runs one network on one device. Submit from one thread at a time.

    Attributes:
        name: The `engine` it is, such as 'openvino'.
        device: The device it runs on, in words, such as 'cpu' or 'cuda:0'.
        precision: The arithmetic it computes in, such as 'bf16'.
    """

    name: str
    device: str
    precision: str

    @abstractmethod
    def submit(self, frames: Sequence[Frame], settings: Settings) -> Pending:
        """Start work on a batch and return at once, as far as the device allows.

        Args:
            frames: One or more frames, all images of the same size.
            settings: The settings for this batch; those that cannot change live are ignored.

        Returns:
            The work under way. Results may be fetched in any order; one that is never fetched
            costs nothing once it is garbage.

        Raises:
            EngineError: If the batch is empty, sizes differ, or the engine is closed or failed.
            ImageError: kind 'bad_shape', as `limits.check_shape` says.
        """

    @abstractmethod
    def prepare(self, image_hw: tuple[int, int], settings: Settings) -> None:
        """Get ready for images of this size, so that the first frame does not pay for it.

        Args:
            image_hw: Height and width of the images to come.
            settings: The settings they will come with.

        Raises:
            EngineError: If the network cannot be made ready for this size.
            ImageError: kind 'bad_shape', as `limits.check_shape` says.
        """

    def prepare_async(self, image_hw: tuple[int, int], settings: Settings) -> Future[Any] | None:
        """Return what must be done before frames of this size can start; begin it if need be.

        Meanwhile frames of other sizes may be submitted. An engine for which every size is as
        good as ready need not know of this.

        Args:
            image_hw: Height and width of the images to come.
            settings: The settings they will come with.

        Returns:
            The preparation under way, or None if `submit` would not wait for any. One that has
            failed is reported by the next `submit`.

        Raises:
            EngineError: If the engine is closed.
            ImageError: kind 'bad_shape', as `limits.check_shape` says.
        """
        del image_hw, settings
        return None

    @abstractmethod
    def network_size(self, image_hw: tuple[int, int]) -> tuple[int, int]:
        """Return the height and width at which the network sees an image of the given size."""

    @abstractmethod
    def close(self) -> None:
        """Free what the engine holds; results already submitted may still be fetched."""


def check_batch(frames: Sequence[Frame]) -> tuple[int, int]:
    """Return the common height and width of a batch.

    Args:
        frames: The batch.

    Returns:
        Height and width of its images.

    Raises:
        EngineError: If the batch is empty, an image is not uint8 (H, W, 3), or sizes differ.
        ImageError: kind 'bad_shape', if a side is too short or the aspect ratio too large.
    """
    if not frames:
        msg = 'a batch must hold at least one frame, got none'
        raise EngineError(msg)
    for frame in frames:
        rgb = frame.rgb_hwc
        if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
            msg = f'an image must be uint8 (H, W, 3), got {rgb.dtype} {rgb.shape}'
            raise EngineError(msg)
        if rgb.shape != frames[0].rgb_hwc.shape:
            msg = (
                f'all images of a batch must have the same size, got '
                f'{frames[0].rgb_hwc.shape[:2]} and {rgb.shape[:2]}; submit them apart'
            )
            raise EngineError(msg)
    height, width = frames[0].rgb_hwc.shape[:2]
    check_shape(height, width)
    return height, width
