"""A network compiled by OpenVINO: its infer requests, and the results under way in them."""

from __future__ import annotations

import time
import weakref
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import openvino as ov

from drnet_ros.errors import EngineError, one_line
from drnet_ros.inference.arrays import FloatArray
from drnet_ros.inference.engines.engine import Pending
from drnet_ros.inference.engines.forked import keep_when_forked
from drnet_ros.inference.frames import DepthFrame, Frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drnet_ros.inference.arrays import UInt8Array
    from drnet_ros.inference.settings import Settings

__all__ = ['Network', 'OpenvinoPending', 'Slot']


@dataclass(slots=True, eq=False)
class Slot:
    """An infer request, and the image that it reads: kept alive as long as it may be read."""

    request: ov.InferRequest
    image: UInt8Array | None = None

    def wait(self, deadline: float | None = None) -> bool:
        """Wait for the network; returns whether it is done.

        Args:
            deadline: Until when, by time.monotonic(), or None for as long as it takes.

        Raises:
            EngineError: If the computation failed.
        """
        try:
            if deadline is not None:
                left_ms = max(0, round(1000 * (deadline - time.monotonic())))
                return bool(self.request.wait_for(left_ms))
            self.request.wait()
        except RuntimeError as error:
            msg = f'OpenVINO failed: {one_line(error)}'
            raise EngineError(msg) from error
        return True


class Network:
    """A compiled network and its infer requests, which are made on demand and used again."""

    def __init__(self, compiled: ov.CompiledModel) -> None:
        keep_when_forked(compiled)
        self._compiled = compiled
        self._free: deque[Slot] = deque()

    def start(self, image_hwc: UInt8Array) -> Slot:
        """Start the network on an image of its size, read in place.

        Raises:
            EngineError: If OpenVINO cannot; the infer request is not used again.
        """
        try:
            slot = self._free.popleft() if self._free else self._slot()
            # Of a result that nobody fetched: wait, a request serves one image at a time.
            slot.request.wait()
            slot.image = image_hwc
            slot.request.start_async(image_hwc[None], share_inputs=True)
        except RuntimeError as error:
            msg = f'OpenVINO cannot start: {one_line(error)}'
            raise EngineError(msg) from error
        return slot

    def _slot(self) -> Slot:
        request = self._compiled.create_infer_request()
        keep_when_forked(request)
        return Slot(request)

    def release(self, slots: Sequence[Slot]) -> None:
        """Take slots back whose output is not needed any more."""
        self._free.extend(slots)


class OpenvinoPending(Pending):
    """Infer requests under way; they go back to their network with the result, or with this."""

    def __init__(
        self,
        network: Network,
        slots: list[Slot],
        frames: Sequence[Frame],
        settings: Settings,
        finish: Any,
    ) -> None:
        self._slots = slots
        self._frames = frames
        self._settings = settings
        self._finish = finish
        self._done: list[DepthFrame] = []
        self._release = weakref.finalize(self, network.release, slots)

    def wait_for_turn(self) -> None:
        """Wait for the network: it has all cores, and runs on one image at a time."""
        for slot in self._slots[len(self._done) :]:
            with suppress(EngineError):  # raised again by `result`
                slot.wait()

    def result(self, timeout_s: float | None = None) -> list[DepthFrame]:
        """Wait for the network, then finish each frame in the calling thread."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        # The first frame is finished while the network runs on the second.
        count = len(self._done)
        for slot, frame in zip(self._slots[count:], self._frames[count:], strict=True):
            if not slot.wait(deadline):
                msg = f'depth was not ready within {timeout_s} s'
                raise TimeoutError(msg)
            self._done.append(self._finish(_depth(slot), frame, self._settings))
        self._frames = ()
        self._release()
        return self._done


def _depth(slot: Slot) -> FloatArray:
    depth: FloatArray = slot.request.get_output_tensor(0).data[0, 0]
    return depth
