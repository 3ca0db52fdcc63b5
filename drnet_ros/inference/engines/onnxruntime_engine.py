"""The engine for CPUs that OpenVINO does not serve well, such as ARM: ONNX Runtime, in float32."""

from __future__ import annotations

import logging
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from drnet_ros.errors import EngineError, one_line
from drnet_ros.inference.engines.devices import usable_cores
from drnet_ros.inference.engines.engine import Engine, Pending, check_batch
from drnet_ros.inference.engines.future_pending import FuturePending
from drnet_ros.inference.engines.model_cache import cache_folder, cached_model
from drnet_ros.inference.engines.onnx_convert import CONVERSION, REFERENCE_FILE
from drnet_ros.inference.frames import DepthFrame, Frame
from drnet_ros.inference.postprocess import PostProcessor
from drnet_ros.inference.preprocess import network_size, nominal_input_hw, resize_to_network

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from drnet_ros.inference.arrays import FloatArray, UInt8Array
    from drnet_ros.inference.settings import Settings
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['OnnxruntimeEngine', 'depth_of', 'open_session']

_LOG = logging.getLogger(__name__)
# Far above the rounding of float32, far below what a wrong operator or scale does.
_TOLERANCE_M = 0.01


class OnnxruntimeEngine(Engine):
    """Runs the network with ONNX Runtime on the CPU, in a thread, batch after batch.

    One model takes images of every size, so that no size has to be prepared. It is exported from
    the weights once, kept on disk, and compared with PyTorch's depth each time it is loaded.

    Attributes:
        model: The exported file.
    """

    name = 'onnxruntime'
    device = 'cpu'
    precision = 'fp32'

    def __init__(self, settings: Settings, weights_path: Path, metadata: WeightsMetadata) -> None:
        """Load the model, which is exported first if need be.

        Args:
            settings: `precision`, `threads` and `input_size` are read.
            weights_path: The weights file.
            metadata: Its metadata.

        Raises:
            EngineError: If the precision is another than fp32, the network cannot be exported, or
                ONNX Runtime does not give the depth that PyTorch gives.
        """
        if settings.precision not in {'auto', 'fp32'}:
            msg = f'precision must be auto or fp32 on {self.name}, got {settings.precision!r}'
            raise EngineError(msg)
        self._area = nominal_input_hw(settings, metadata)
        self._finish = PostProcessor(metadata).finish
        threads = settings.threads or usable_cores()
        self.model, self._session = _load(weights_path, metadata, threads)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix='onnxruntime_engine')
        self._is_closed = False

    def network_size(self, image_hw: tuple[int, int]) -> tuple[int, int]:
        """Return the height and width at which the network sees an image."""
        return network_size(image_hw, self._area)

    def prepare(self, image_hw: tuple[int, int], settings: Settings) -> None:
        """Run the network once, so that its memory is there."""
        self.submit([Frame(np.zeros((*image_hw, 3), np.uint8))], settings).result()

    def submit(self, frames: Sequence[Frame], settings: Settings) -> Pending:
        """Queue the batch for the engine's thread."""
        size = self.network_size(check_batch(frames))
        if self._is_closed:
            msg = 'a closed engine cannot run; create another'
            raise EngineError(msg)
        return FuturePending(self._thread.submit(self._run, tuple(frames), size, settings))

    def close(self) -> None:
        """Take no more batches; those submitted are worked off."""
        self._is_closed = True
        self._thread.shutdown(wait=False)

    def _run(
        self, frames: tuple[Frame, ...], size: tuple[int, int], settings: Settings
    ) -> list[DepthFrame]:
        session = self._session_for(size)
        return [
            self._finish(
                depth_of(session, resize_to_network(frame.rgb_hwc, size)), frame, settings
            )
            for frame in frames
        ]

    def _session_for(self, size: tuple[int, int]) -> onnxruntime.InferenceSession:
        """Return what computes images that the network sees at a size."""
        del size
        return self._session


def _load(
    weights_path: Path, metadata: WeightsMetadata, threads: int
) -> tuple[Path, onnxruntime.InferenceSession]:
    """Return the model's file and the checked model; a file that cannot be read is made again."""
    started, cache = time.monotonic(), cache_folder()
    model = cached_model(weights_path, metadata, CONVERSION, cache)
    try:
        session, image, expected = _open(model, threads)
    except EngineError as error:
        _LOG.warning('%s; exported again', error)
        shutil.rmtree(model.parent, ignore_errors=True)
        model = cached_model(weights_path, metadata, CONVERSION, cache)
        session, image, expected = _open(model, threads)
    _check(depth_of(session, image), expected)
    _LOG.info('network ready in %.1f s', time.monotonic() - started)
    return model, session


def _open(
    model: Path, threads: int
) -> tuple[onnxruntime.InferenceSession, UInt8Array, FloatArray]:
    """Return the model, an image and the depth that PyTorch gives for it."""
    try:
        session = open_session(model, threads, ['CPUExecutionProvider'])
        with np.load(model.with_name(REFERENCE_FILE)) as reference:
            return session, reference['image_hwc'], reference['depth_hw']
    except Exception as error:  # ONNX Runtime's errors have no common class
        msg = f'{model} must load, got: {one_line(error)}'
        raise EngineError(msg) from error


def open_session(
    model: Path, threads: int, providers: Sequence[Any]
) -> onnxruntime.InferenceSession:
    """Load a model.

    Args:
        model: The exported file.
        threads: CPU threads.
        providers: What computes, the first that can; as ONNX Runtime takes them.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors
    # Threads that spin between frames take the cores of everything else on a robot.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    return onnxruntime.InferenceSession(model, options, providers=list(providers))


def _check(depth_hw: FloatArray, expected_hw: FloatArray) -> None:
    error_m = float(np.abs(depth_hw - expected_hw).max())
    if not error_m <= _TOLERANCE_M:  # NaN too
        msg = (
            f'ONNX Runtime {onnxruntime.__version__} must give the depth that PyTorch gives, got '
            f'{error_m:.3g} m off where {_TOLERANCE_M} m may be; use another version or engine'
        )
        raise EngineError(msg)


def depth_of(session: onnxruntime.InferenceSession, image_hwc: UInt8Array) -> FloatArray:
    """Run the network on an image.

    Args:
        session: The network.
        image_hwc: uint8 (H, W, 3), at the network's size.

    Returns:
        Metres, float32 (H, W).

    Raises:
        EngineError: If it fails.
    """
    try:
        depth: FloatArray = session.run(['depth'], {'image': image_hwc[None]})[0][0, 0]
    except Exception as error:  # ONNX Runtime's errors have no common class
        msg = f'ONNX Runtime failed: {one_line(error)}'
        raise EngineError(msg) from error
    return depth
