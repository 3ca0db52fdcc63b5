"""The engine for CPUs: OpenVINO, with converted models cached on disk."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino as ov
from openvino import properties
from openvino.properties import hint

from drnet_ros.errors import DrnetError, EngineError, one_line
from drnet_ros.inference.engines.devices import usable_cores
from drnet_ros.inference.engines.engine import Engine, Pending, check_batch
from drnet_ros.inference.engines.model_cache import cache_folder, weights_digest
from drnet_ros.inference.engines.openvino_cache import converted_model
from drnet_ros.inference.engines.openvino_float32 import is_depth_in_float32
from drnet_ros.inference.engines.openvino_network import Network, OpenvinoPending, Slot
from drnet_ros.inference.frames import Frame
from drnet_ros.inference.limits import check_shape
from drnet_ros.inference.postprocess import PostProcessor
from drnet_ros.inference.preprocess import network_size, nominal_input_hw, resize_to_network

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from drnet_ros.inference.settings import Settings
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['OpenvinoEngine', 'choose_precision', 'compile_options']

_LOG = logging.getLogger(__name__)
_TYPES = {'fp32': ov.Type.f32, 'bf16': ov.Type.bf16, 'fp16': ov.Type.f16}
# Images of other shapes may come in mid-stream; so many compiled networks are kept, or one for
# each camera, if there are more: compiling takes far longer than a frame, so that one place too
# few would stop cameras that take turns. A network takes 40 MB (efficientnet_lite0) to 370 MB
# (resnet152), at most 950 MB (senet154 with guided filter): 'net MB' in docs/performance.md.
_KEPT_SIZES = 4
# What failed will mostly fail again, and a conversion keeps a core busy for seconds.
_RETRY_PAUSE_S = 30.0
_RETRY_GRACE_S = 1.0


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
            settings: `precision`, `threads`, `input_size` and `cameras` are read.
            weights_path: The weights file.
            metadata: Its metadata.

        Raises:
            EngineError: If this CPU cannot compute in the precision, or the weights cannot be
                read.
        """
        self._core = ov.Core()
        self.precision = choose_precision(self._core, settings.precision)
        self._threads = settings.threads
        self._weights_path = weights_path
        self._weights_digest = weights_digest(weights_path)
        self._metadata = metadata
        self._area = nominal_input_hw(settings, metadata)
        self._finish = PostProcessor(metadata).finish
        self._kept_sizes = max(_KEPT_SIZES, len(settings.cameras))
        self._networks: OrderedDict[tuple[int, int], Future[Network]] = OrderedDict()
        # When to try again, by `time.monotonic`; apart, so that they push no network out.
        self._failed: dict[tuple[int, int], tuple[float, Future[Network]]] = {}
        self._networks_lock = threading.Lock()
        self._cache = cache_folder()
        self._is_closed = False

    def network_size(self, image_hw: tuple[int, int]) -> tuple[int, int]:
        """Return the height and width at which the network sees an image."""
        return network_size(image_hw, self._area)

    def prepare(self, image_hw: tuple[int, int], settings: Settings) -> None:
        """Compile the network for images of this size, and run it and what comes after it."""
        check_shape(*image_hw)
        self.submit([Frame(np.zeros((*image_hw, 3), np.uint8))], settings).result()

    def prepare_async(
        self,
        image_hw: tuple[int, int],
        settings: Settings,  # noqa: ARG002 - the interface's
    ) -> Future[Any] | None:
        """Compile the network for images of this size in a thread of its own, and run it once."""
        check_shape(*image_hw)
        size = self.network_size(image_hw)
        future, is_new = self._entry(size)
        if is_new:
            threading.Thread(
                target=self._make, args=(size, future), name='compile', daemon=True
            ).start()
        return None if future.done() else future

    def submit(self, frames: Sequence[Frame], settings: Settings) -> Pending:
        """Start the network on each frame."""
        image_hw = check_batch(frames)
        size = self.network_size(image_hw)
        network = self._network(size)
        slots: list[Slot] = []
        try:
            for frame in frames:
                slots.append(network.start(resize_to_network(frame.rgb_hwc, size)))  # noqa: PERF401
        except EngineError:
            network.release(slots)
            raise
        return OpenvinoPending(network, slots, frames, settings, self._finish)

    def close(self) -> None:
        """Let go of the networks; their memory is freed once no result is pending."""
        with self._networks_lock:
            self._is_closed = True
            self._networks.clear()
            self._failed.clear()

    def _network(self, size: tuple[int, int]) -> Network:
        # After the pause `prepare_async` tries again, in a thread that nobody waits for.
        future, is_new = self._entry(size, grace_s=_RETRY_GRACE_S)
        if is_new:
            self._make(size, future)
        failure = future.exception()
        if failure is not None:
            # Were one error raised for every frame, its traceback would grow, and keep them all.
            raise EngineError(str(failure)) from failure
        return future.result()

    def _entry(self, size: tuple[int, int], grace_s: float = 0.0) -> tuple[Future[Network], bool]:
        """Return the network of a size, there or to come, and whether the caller must make it."""
        with self._networks_lock:
            if self._is_closed:
                msg = 'a closed engine cannot run; create another'
                raise EngineError(msg)
            retry_s, failed = self._failed.get(size, (0.0, None))
            if failed is not None and time.monotonic() < retry_s + grace_s:
                return failed, False
            is_new = size not in self._networks
            if is_new:
                self._failed.pop(size, None)
                self._networks[size] = Future()
                if len(self._networks) > self._kept_sizes:
                    self._networks.popitem(last=False)
            self._networks.move_to_end(size)
            return self._networks[size], is_new

    def _make(self, size: tuple[int, int], future: Future[Network]) -> None:
        try:
            network = self._compile(size)
            # The first run takes longer than all others, and holds Python's lock meanwhile.
            slot = network.start(np.zeros((*size, 3), np.uint8))
            slot.wait()
            network.release([slot])
        except Exception as error:  # noqa: BLE001 - raised where the network is used
            self._fail(size, future, error)
        else:
            future.set_result(network)

    def _fail(self, size: tuple[int, int], future: Future[Network], error: Exception) -> None:
        if not isinstance(error, DrnetError):
            if not isinstance(error, OSError):  # of a full disk the message says enough
                _LOG.error('unexpected error while preparing the network', exc_info=error)
            got = f'{type(error).__name__}: {one_line(error)}'
            error = EngineError(f'the network must be made ready at {size}, got: {got}')
        with self._networks_lock:
            if self._networks.get(size, future) is future:  # no later try is under way or done
                self._networks.pop(size, None)
                self._failed[size] = time.monotonic() + _RETRY_PAUSE_S, future
        future.set_exception(error)

    def _compile(self, size: tuple[int, int]) -> Network:
        started = time.monotonic()
        try:
            compiled = self._compiled(size)
        except RuntimeError as error:
            _LOG.warning(
                'the cached model for %s cannot run, converting it again: %s',
                size,
                one_line(error),
            )
            try:
                compiled = self._compiled(size)
            except RuntimeError as again:
                msg = f'the network must run in OpenVINO at {size}, got: {one_line(again)}'
                raise EngineError(msg) from again
        _LOG.info(
            'network ready for %d x %d in %.1f s', size[1], size[0], time.monotonic() - started
        )
        return Network(compiled)

    def _compiled(self, size: tuple[int, int]) -> ov.CompiledModel:
        # Those of the first image may be long ago; other cameras need other sizes.
        if weights_digest(self._weights_path) != self._weights_digest:
            msg = (
                f'{self._weights_path} must be as it was at the start to prepare for {size}, got '
                'another file in its place: start again to use that'
            )
            raise EngineError(msg)
        model = converted_model(self._weights_path, self._metadata, size, self._cache)
        try:
            compiled = self._compiled_from(model)
            if self.precision != 'fp32' and not is_depth_in_float32(compiled):
                self._compute_in_float32()
                compiled = self._compiled_from(model)
        except RuntimeError:
            # It is converted afresh: a damaged file must not stop the node for ever.
            shutil.rmtree(model.parent, ignore_errors=True)
            raise
        return compiled

    def _compiled_from(self, model: Path) -> ov.CompiledModel:
        options = compile_options(self.precision, self._threads)
        return self._core.compile_model(model, 'CPU', options)

    def _compute_in_float32(self) -> None:
        _LOG.warning(
            'OpenVINO %s does not keep the sums of depth in float32, so that all is computed in '
            'fp32, slower than in %s; install openvino 2026.4',
            ov.__version__.split('-')[0],
            self.precision,
        )
        self.precision = 'fp32'


def compile_options(precision: str, threads: int = 0) -> dict[str, Any]:
    """Return what a network is compiled with: for the least latency.

    Args:
        precision: 'fp32', 'bf16' or 'fp16'.
        threads: CPU threads; 0 is one for each core that this process may use.
    """
    return {
        hint.performance_mode: hint.PerformanceMode.LATENCY,
        hint.inference_precision: _TYPES[precision],
        properties.inference_num_threads: threads or usable_cores(),
    }


def choose_precision(core: ov.Core, asked: str) -> str:
    """Return the arithmetic that 'auto' is on this CPU, or what was asked for.

    Args:
        core: OpenVINO.
        asked: 'auto', 'fp32', 'bf16' or 'fp16'.

    Raises:
        EngineError: If this CPU cannot compute in it.
    """
    capabilities = set(core.get_property('CPU', properties.device.capabilities))
    native = [name for name in ('bf16', 'fp16') if name.upper() in capabilities]
    if asked == 'auto':
        return native[0] if native else 'fp32'
    if asked != 'fp32' and asked not in native:
        known = ', '.join(['auto', *native, 'fp32'])
        msg = f'precision must be one of {known} on this CPU, got {asked!r}'
        raise EngineError(msg)
    return asked
