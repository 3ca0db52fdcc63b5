"""The engine for CPUs: OpenVINO, with converted models cached on disk."""

from __future__ import annotations

import logging
import shutil
import time
import weakref
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino as ov
from openvino import properties
from openvino.properties import hint

from drnet_ros.errors import EngineError
from drnet_ros.inference.devices import usable_cores
from drnet_ros.inference.engine import DepthFrame, Engine, FloatArray, Frame, Pending, check_batch
from drnet_ros.inference.image_header import check_shape
from drnet_ros.inference.model_cache import cache_folder, converted_model
from drnet_ros.inference.postprocess import PostProcessor
from drnet_ros.inference.preprocess import network_area, network_size, resize_to_network

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from drnet_ros.inference.engine import UInt8Array
    from drnet_ros.inference.settings import Settings
    from drnet_ros.network.config import NetworkConfig
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['OpenvinoEngine']

_LOG = logging.getLogger(__name__)
_TYPES = {'fp32': ov.Type.f32, 'bf16': ov.Type.bf16, 'fp16': ov.Type.f16}
# Images of other shapes may come in mid-stream; more compiled networks than this are not kept.
_KEPT_SIZES = 4


class OpenvinoEngine(Engine):
    """Runs the network with OpenVINO on the CPU.

    A model has one fixed size and one image; the frames of a batch run one after the other on all
    cores, which on a CPU is as fast as a batched model and needs neither copies nor a model for
    each batch size. Input is read from the frame's own memory where no resizing is needed.
    """

    name = 'openvino'
    device = 'cpu'

    def __init__(self, settings: Settings, weights_path: Path, metadata: WeightsMetadata) -> None:
        """Start OpenVINO; networks are compiled when their size is first needed.

        Args:
            settings: `precision` and `input_size` are read.
            weights_path: The weights file.
            metadata: Its metadata.

        Raises:
            EngineError: If this CPU cannot compute in the precision.
        """
        self._core = ov.Core()
        self.precision = _precision(self._core, settings.precision, metadata.network)
        self._weights_path = weights_path
        self._metadata = metadata
        self._area = network_area(settings, metadata)
        self._finish = PostProcessor(metadata).finish
        self._networks: OrderedDict[tuple[int, int], _Network] = OrderedDict()
        self._cache = cache_folder()
        self._is_closed = False

    def network_size(self, image_hw: tuple[int, int]) -> tuple[int, int]:
        """Return the height and width at which the network sees an image."""
        return network_size(image_hw, self._area)

    def prepare(self, image_hw: tuple[int, int], settings: Settings) -> None:
        """Compile the network for images of this size and run it once.

        The first run holds Python's lock for longer than a camera waits between two images.
        """
        check_shape(*image_hw)
        self.submit([Frame(np.zeros((*image_hw, 3), np.uint8))], settings).result()

    def submit(self, frames: Sequence[Frame], settings: Settings) -> Pending:
        """Start the network on each frame."""
        image_hw = check_batch(frames)
        size = self.network_size(image_hw)
        network = self._network(size)
        slots: list[_Slot] = []
        try:
            for frame in frames:
                slots.append(network.start(resize_to_network(frame.rgb_hwc, size)))  # noqa: PERF401
        except EngineError:
            network.release(slots)
            raise
        return _OpenvinoPending(network, slots, frames, settings, self._finish)

    def close(self) -> None:
        """Let go of the networks; their memory is freed once no result is pending."""
        self._is_closed = True
        self._networks.clear()

    def _network(self, size: tuple[int, int]) -> _Network:
        if self._is_closed:
            msg = 'a closed engine cannot run; create another'
            raise EngineError(msg)
        if size not in self._networks:
            self._networks[size] = self._compile(size)
            if len(self._networks) > _KEPT_SIZES:
                self._networks.popitem(last=False)
        self._networks.move_to_end(size)
        return self._networks[size]

    def _compile(self, size: tuple[int, int]) -> _Network:
        started = time.monotonic()
        try:
            compiled = self._compiled(size)
        except RuntimeError as error:
            _LOG.warning('the model kept for %s cannot run, made again: %s', size, _line(error))
            try:
                compiled = self._compiled(size)
            except RuntimeError as again:
                msg = f'the network must run in OpenVINO at {size}, got: {_line(again)}'
                raise EngineError(msg) from again
        _LOG.info(
            'network ready for %d x %d in %.1f s', size[1], size[0], time.monotonic() - started
        )
        return _Network(compiled)

    def _compiled(self, size: tuple[int, int]) -> ov.CompiledModel:
        model = converted_model(self._weights_path, self._metadata, size, self._cache)
        options = {
            hint.performance_mode: hint.PerformanceMode.LATENCY,
            hint.inference_precision: _TYPES[self.precision],
            properties.inference_num_threads: usable_cores(),
        }
        try:
            return self._core.compile_model(model, 'CPU', options)
        except RuntimeError:
            # It is converted afresh: a damaged file must not stop the node for ever.
            shutil.rmtree(model.parent, ignore_errors=True)
            raise


@dataclass(slots=True, eq=False)
class _Slot:
    """An infer request, and the image that it reads: kept alive as long as it may be read."""

    request: ov.InferRequest
    image: UInt8Array | None = None


class _Network:
    """A compiled network and its infer requests, which are made on demand and used again."""

    def __init__(self, compiled: ov.CompiledModel) -> None:
        self._compiled = compiled
        self._free: deque[_Slot] = deque()

    def start(self, image_hwc: UInt8Array) -> _Slot:
        """Start the network on an image of its size, read in place.

        Raises:
            EngineError: If OpenVINO cannot; the infer request is not used again.
        """
        try:
            slot = (
                self._free.popleft()
                if self._free
                else _Slot(self._compiled.create_infer_request())
            )
            # Of a result that nobody fetched: wait, a request serves one image at a time.
            slot.request.wait()
            slot.image = image_hwc
            slot.request.start_async(image_hwc[None], share_inputs=True)
        except RuntimeError as error:
            msg = f'OpenVINO cannot start: {_line(error)}'
            raise EngineError(msg) from error
        return slot

    def release(self, slots: Sequence[_Slot]) -> None:
        """Take slots back whose output is not needed any more."""
        self._free.extend(slots)


class _OpenvinoPending(Pending):
    """Infer requests under way; they go back to their network with the result, or with this."""

    def __init__(
        self,
        network: _Network,
        slots: list[_Slot],
        frames: Sequence[Frame],
        settings: Settings,
        finish: Any,
    ) -> None:
        self._slots = slots
        self._frames = frames
        self._settings = settings
        self._finish = finish
        self._done: list[DepthFrame] | None = None
        self._release = weakref.finalize(self, network.release, slots)

    def result(self, timeout_s: float | None = None) -> list[DepthFrame]:
        """Wait for the network, then finish each frame in the calling thread."""
        if self._done is None:
            self._wait(timeout_s)
            self._done = [
                self._finish(_depth(slot), frame, self._settings)
                for slot, frame in zip(self._slots, self._frames, strict=True)
            ]
            self._frames = ()
            self._release()
        return self._done

    def _wait(self, timeout_s: float | None) -> None:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        for slot in self._slots:
            if not _is_done(slot.request, deadline):
                msg = f'depth was not ready within {timeout_s} s'
                raise TimeoutError(msg)


def _is_done(request: ov.InferRequest, deadline: float | None) -> bool:
    try:
        if deadline is not None:
            left_ms = max(0, round(1000 * (deadline - time.monotonic())))
            return bool(request.wait_for(left_ms))
        request.wait()
    except RuntimeError as error:
        msg = f'OpenVINO failed: {_line(error)}'
        raise EngineError(msg) from error
    return True


def _line(error: Exception) -> str:
    """Return OpenVINO's message, which has several lines with places in its source, as one."""
    return ' '.join(str(error).split())


def _depth(slot: _Slot) -> FloatArray:
    depth: FloatArray = slot.request.get_output_tensor(0).data[0, 0]
    return depth


def _precision(core: ov.Core, asked: str, network: NetworkConfig) -> str:
    if network.guided_filter:
        # Its windows' variances lose all digits in half precision, and OpenVINO knows no exception
        # for a part of a network.
        if asked not in {'auto', 'fp32'}:
            msg = (
                f'precision must be auto or fp32 for a guided-filter network on openvino, got '
                f'{asked!r}'
            )
            raise EngineError(msg)
        return 'fp32'
    capabilities = set(core.get_property('CPU', properties.device.capabilities))
    native = [name for name in ('bf16', 'fp16') if name.upper() in capabilities]
    if asked == 'auto':
        return native[0] if native else 'fp32'
    if asked != 'fp32' and asked not in native:
        known = ', '.join(['auto', *native, 'fp32'])
        msg = f'precision must be one of {known} on this CPU, got {asked!r}'
        raise EngineError(msg)
    return asked
