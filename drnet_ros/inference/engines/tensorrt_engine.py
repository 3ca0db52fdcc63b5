"""The engine for NVIDIA GPUs without PyTorch, such as a Jetson: TensorRT, through ONNX Runtime.

ONNX Runtime's TensorRT provider builds a plan for each size, keeps it on disk, and computes on
its streams; what is left to do here is to name the plans, to build them while other frames go on,
and to compare their depth before a robot relies on it.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import tensorrt

from drnet_ros.errors import EngineError, one_line
from drnet_ros.inference.engines.devices import driver_gpu_name
from drnet_ros.inference.engines.onnxruntime_engine import (
    OnnxruntimeEngine,
    depth_of,
    open_session,
)
from drnet_ros.inference.limits import check_shape

if TYPE_CHECKING:
    from pathlib import Path

    from drnet_ros.inference.settings import Settings
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['TensorrtEngine']

_LOG = logging.getLogger(__name__)
_PROVIDER = 'TensorrtExecutionProvider'
_KEPT_SIZES = 4
# Of the mean depth. TF32 has 11 bits; a wrong scale or operator is far off.
_TOLERANCE = 0.01


class TensorrtEngine(OnnxruntimeEngine):
    """Runs the network with TensorRT, one plan for each size of the network's input.

    Depth is summed in float32, since all is computed in it: convolutions round their inputs to
    TF32 where the GPU has it. What comes before and after the network runs on the CPU.
    """

    name = 'tensorrt'
    precision = 'tf32'

    def __init__(self, settings: Settings, weights_path: Path, metadata: WeightsMetadata) -> None:
        """Load the model on the CPU, which is what plans are compared with.

        Args:
            settings: `device`, `precision`, `threads`, `input_size` and `cameras` are read.
            weights_path: The weights file.
            metadata: Its metadata.

        Raises:
            EngineError: If there is no such GPU, ONNX Runtime has no TensorRT, the precision is
                another than fp32, or the model is refused as by `OnnxruntimeEngine`.
        """
        self._index = int(settings.device.partition(':')[2] or 0)
        self.device = f'cuda:{self._index}'
        gpu = driver_gpu_name(self._index)
        if gpu is None:
            msg = f"device must be an NVIDIA GPU, got {self.device} without one; use engine 'auto'"
            raise EngineError(msg)
        if _PROVIDER not in onnxruntime.get_available_providers():
            msg = (
                f'ONNX Runtime {onnxruntime.__version__} must have the {_PROVIDER}, got one '
                'without; pip install onnxruntime-gpu in place of onnxruntime, on a Jetson as '
                'docs/jetson.md says'
            )
            raise EngineError(msg)
        super().__init__(settings, weights_path, metadata)
        facts = gpu, tensorrt.__version__, onnxruntime.__version__
        key = hashlib.sha256('|'.join(facts).encode()).hexdigest()[:12]
        # Beside the model, whose folder changes with the weights.
        self._plans = self.model.parent / f'tensorrt_{key}'
        self._kept_sizes = max(_KEPT_SIZES, len(settings.cameras))
        self._sessions: OrderedDict[tuple[int, int], Future[onnxruntime.InferenceSession]]
        self._sessions = OrderedDict()
        self._lock = threading.Lock()

    def prepare_async(
        self,
        image_hw: tuple[int, int],
        settings: Settings,  # noqa: ARG002 - the interface's
    ) -> Future[Any] | None:
        """Build or read the plan for images of this size, in a thread of its own."""
        check_shape(*image_hw)
        size = self.network_size(image_hw)
        future, is_new = self._entry(size)
        if is_new:
            threading.Thread(
                target=self._make, args=(size, future), name='tensorrt_plan', daemon=True
            ).start()
        return None if future.done() else future

    def _session_for(self, size: tuple[int, int]) -> onnxruntime.InferenceSession:
        future, is_new = self._entry(size)
        if is_new:
            self._make(size, future)
        failure = future.exception()
        if failure is not None:
            # Were one error raised for every frame, its traceback would grow.
            raise EngineError(str(failure)) from failure
        return future.result()

    def _entry(self, size: tuple[int, int]) -> tuple[Future[onnxruntime.InferenceSession], bool]:
        """Return the plan of a size, there or to come, and whether the caller must make it."""
        with self._lock:
            is_new = size not in self._sessions
            if is_new:
                self._sessions[size] = Future()
                if len(self._sessions) > self._kept_sizes:
                    self._sessions.popitem(last=False)
            self._sessions.move_to_end(size)
            return self._sessions[size], is_new

    def _make(self, size: tuple[int, int], future: Future[onnxruntime.InferenceSession]) -> None:
        started = time.monotonic()
        _LOG.info('reading or building a TensorRT plan for %d x %d: minutes, once', *size[::-1])
        try:
            session = self._built(size)
            self._compare(session, size)
        except EngineError as error:
            future.set_exception(error)
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's have no common class
            msg = f'TensorRT must take the network at {size}, got: {one_line(error)}'
            future.set_exception(EngineError(msg))
        else:
            _LOG.info('plan ready in %.1f s', time.monotonic() - started)
            future.set_result(session)

    def _built(self, size: tuple[int, int]) -> onnxruntime.InferenceSession:
        shape = f'image:1x{size[0]}x{size[1]}x3'
        # A folder for each size: ONNX Runtime names a plan by the model alone.
        plans = self._plans / f'{size[0]}x{size[1]}'
        plans.mkdir(parents=True, exist_ok=True)
        options = {
            'device_id': str(self._index),
            'trt_engine_cache_enable': 'True',
            'trt_engine_cache_path': str(plans),
            'trt_timing_cache_enable': 'True',
            'trt_timing_cache_path': str(self._plans),
            'trt_profile_min_shapes': shape,
            'trt_profile_opt_shapes': shape,
            'trt_profile_max_shapes': shape,
        }
        cuda = 'CUDAExecutionProvider', {'device_id': str(self._index)}
        session = open_session(self.model, 1, [(_PROVIDER, options), cuda])
        if _PROVIDER not in session.get_providers():  # ONNX Runtime goes on without it
            msg = (
                f'TensorRT {tensorrt.__version__} must fit ONNX Runtime '
                f'{onnxruntime.__version__}, got providers {", ".join(session.get_providers())}; '
                'install the version that onnxruntime.ai/docs names for it'
            )
            raise EngineError(msg)
        return session

    def _compare(self, session: onnxruntime.InferenceSession, size: tuple[int, int]) -> None:
        """Refuse a plan that computes something else: some versions of TensorRT changed depth."""
        image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        expected = depth_of(self._session, image)
        error = float(np.abs(depth_of(session, image) - expected).mean() / expected.mean())
        if not error <= _TOLERANCE:  # NaN too
            msg = (
                f'TensorRT {tensorrt.__version__} must give the depth that the CPU gives, got '
                f'{100 * error:.3g} % off in the mean where {100 * _TOLERANCE:g} % may be; use '
                "another version, or engine 'torch'"
            )
            raise EngineError(msg)
