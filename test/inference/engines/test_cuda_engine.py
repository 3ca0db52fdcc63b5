"""The pipeline's numbers on the double against those of the CPU; and its errors."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from queue import Queue

import cv2
import numpy as np
import pytest
import torch
from cuda_double import DoubleRuntime, Stream
from numpy.typing import NDArray

from drnet_ros.errors import CameraError, DeviceLostError, DeviceMemoryError, EngineError
from drnet_ros.inference import CameraModel, DepthEstimator, DepthFrame, Frame, Settings
from drnet_ros.inference.engines.cuda.failures import as_engine_error
from drnet_ros.inference.engines.torch_engine import TorchEngine
from drnet_ros.network.metadata import read_metadata

pytestmark = pytest.mark.slow

OPEN = {'refine_edges': False, 'min_depth': 0.001, 'max_depth': 80.0}
CAMERA = CameraModel(
    128, 96, 50.0, 52.0, 60.0, 50.0, distortion_model='plumb_bob', d=(-0.1, 0.01, 0.0, 0.0, 0.0)
)
# Where nothing is resized only the order of sums differs. Of resized images some values differ by
# one: that changes depth by percents in a network with random weights, as bf16 does.
SAME = 1e-4
RESIZED = 0.04


class Twins:
    """Two estimators with the same weights: the CPU's, and one whose engine is the pipeline."""

    def __init__(self, weights: str, **values: object) -> None:
        settings = Settings.from_mapping(
            {'weights': weights, 'engine': 'torch', 'device': 'cpu', **OPEN, **values}
        )
        self.runtime = DoubleRuntime()
        path = Path(weights)
        engine = TorchEngine(settings, path, read_metadata(path), runtime=self.runtime)
        self.cpu, self.gpu = DepthEstimator(settings), DepthEstimator(settings, engine=engine)

    def update(self, **values: object) -> None:
        for estimator in (self.cpu, self.gpu):
            estimator.update(estimator.settings.changed(**values))

    def agree(self, frames: list[Frame], tolerance: float) -> list[DepthFrame]:
        truth, got = self.cpu.submit(frames).result(), self.gpu.submit(frames).result()
        for of_cpu, of_gpu in zip(truth, got, strict=True):
            _agree(of_gpu, of_cpu, tolerance)
        return got


def _agree(got: DepthFrame, truth: DepthFrame, tolerance: float) -> None:
    assert got.camera == truth.camera
    assert got.depth_hw.shape == truth.depth_hw.shape
    assert got.depth_hw.dtype == np.float32
    assert got.depth_hw.flags.owndata or got.depth_hw.base is not None
    both = np.isfinite(got.depth_hw) & np.isfinite(truth.depth_hw)
    # On which side of a limit a pixel lies may depend on rounding.
    assert np.mean(np.isfinite(got.depth_hw) != np.isfinite(truth.depth_hw)) <= 10 * tolerance
    assert both.mean() > 0.2
    error = np.abs(got.depth_hw[both] / truth.depth_hw[both] - 1)
    assert error.mean() <= tolerance
    assert (got.points is None) == (truth.points is None)
    if got.points is None or truth.points is None:
        return
    assert got.points.shape == truth.points.shape
    both = np.isfinite(got.points[..., 2]) & np.isfinite(truth.points[..., 2])
    difference = np.abs(got.points[both][:, :3] - truth.points[both][:, :3]).mean()
    assert difference <= tolerance * np.abs(truth.points[both][:, :3]).mean() * 2
    if got.points.shape[2] == 4:
        colors = [each.points[..., 3].copy().view(np.uint32) for each in (got, truth)]  # type: ignore[index]
        levels = [(color[..., None] >> np.array([16, 8, 0])) & 255 for color in colors]
        assert np.abs(levels[0].astype(int) - levels[1].astype(int)).max() <= 1
        assert colors[0].max() < 2**24


@pytest.fixture(scope='module')
def twins(weights: str) -> Iterator[Twins]:
    both = Twins(weights)
    yield both
    both.cpu.close()
    both.gpu.close()


@pytest.fixture
def fresh(weights: str) -> Twins:
    return Twins(weights)


@pytest.mark.parametrize(
    ('values', 'image_hw', 'tolerance'),
    [
        ({}, (96, 128), SAME),
        ({'edge_threshold': 0.05, 'point_stride': 3}, (96, 128), SAME),
        ({'min_depth': 1.0, 'max_depth': 2.5, 'point_color': False}, (96, 128), SAME),
        ({'scale_by_focal_length': False, 'image_is_rectified': True}, (96, 128), SAME),
        ({'output_size': (48, 64)}, (96, 128), SAME),
        ({'refine_edges': True}, (96, 128), SAME),
        ({'refine_edges': True, 'output_size': (48, 64)}, (96, 128), SAME),
        ({'refine_edges': True}, (192, 256), RESIZED),
        ({'output_size': (100, 200), 'edge_threshold': 0.3}, (96, 128), SAME),
        ({}, (192, 256), RESIZED),
        ({'output_size': (96, 128)}, (240, 320), RESIZED),
        ({}, (60, 80), RESIZED),
        ({}, (101, 133), RESIZED),
    ],
)
def test_frames_are_those_of_the_cpu(
    twins: Twins,
    image: NDArray[np.uint8],
    values: dict[str, object],
    image_hw: tuple[int, int],
    tolerance: float,
) -> None:
    before = twins.cpu.settings
    twins.update(**values)
    rgb = np.asarray(cv2.resize(image, image_hw[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
    camera = CAMERA.scaled_to(*image_hw)
    other = camera.scaled_to(2 * image_hw[0], 2 * image_hw[1])
    frames = [
        Frame(rgb, camera, points=True),
        Frame(rgb[::-1], None, points=True),
        Frame(rgb[:, ::-1], other),
    ]
    twins.agree(frames, tolerance)
    twins.agree(frames[:1], tolerance)
    twins.update(**before.to_mapping())


def test_live_settings_and_cameras_need_no_new_graph(
    twins: Twins, image: NDArray[np.uint8]
) -> None:
    twins.agree([Frame(image, CAMERA, points=True)], SAME)
    captured = twins.runtime.captured
    for values in (
        {'min_depth': 0.5}, {'max_depth': 3.0}, {'scale_by_focal_length': False},
        {'point_stride': 2}, {'point_color': False}, {'image_is_rectified': True},
    ):  # fmt: skip
        twins.update(**values)
        twins.agree([Frame(image, CAMERA, points=True)], SAME)
        twins.agree([Frame(image)], SAME)
    twins.update(edge_threshold=0.1)
    twins.agree([Frame(image)], SAME)
    twins.update(edge_threshold=0.2)
    twins.agree([Frame(image)], SAME)
    assert twins.runtime.captured == captured + 1
    twins.update(**Settings().to_mapping() | twins.cpu.settings.changed(
        **OPEN, scale_by_focal_length=True, point_stride=1, point_color=True,
        image_is_rectified=False, edge_threshold=0.0,
    ).to_mapping())  # fmt: skip


def test_half_precision_is_close(weights: str, image: NDArray[np.uint8]) -> None:
    both = Twins(weights, precision='bf16')
    large = cv2.resize(image, (256, 192), interpolation=cv2.INTER_CUBIC)
    both.agree([Frame(np.asarray(large, np.uint8), CAMERA, points=True)], 0.06)


def test_results_outlive_slots_and_engine(fresh: Twins, image: NDArray[np.uint8]) -> None:
    images = [np.roll(image, shift, axis=1) for shift in range(0, 80, 10)]
    truth = [fresh.cpu.estimate(each).depth_hw for each in images]
    pending = [fresh.gpu.submit([Frame(each)]) for each in images]
    fresh.gpu.close()
    fresh.gpu.close()
    for index in (7, 0, 3, 3, 1):
        np.testing.assert_allclose(pending[index].result()[0].depth_hw, truth[index], rtol=SAME)
    assert pending[0].result() is pending[0].result()
    with pytest.raises(EngineError, match='closed'):
        fresh.gpu.submit([Frame(image)])


def test_results_may_be_fetched_in_another_thread(fresh: Twins, image: NDArray[np.uint8]) -> None:
    """One thread submits, two fetch, faster or slower than slots are used again."""
    images = [np.roll(image, shift, axis=1) for shift in (0, 30, 60)]
    truth = [fresh.cpu.estimate(each).depth_hw for each in images]
    sent: Queue[tuple[int, object]] = Queue(maxsize=7)
    wrong: list[int] = []

    def fetch() -> None:
        while (item := sent.get())[1] is not None:
            index, pending = item
            depth = pending.result(timeout_s=60)[0].depth_hw  # type: ignore[attr-defined]
            if not np.allclose(depth, truth[index], rtol=SAME, equal_nan=True):
                wrong.append(index)

    threads = [threading.Thread(target=fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for count in range(30):
        sent.put((count % 3, fresh.gpu.submit([Frame(images[count % 3])])))
    for _ in threads:
        sent.put((0, None))
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_a_camera_of_another_shape_is_an_error_of_the_result(
    fresh: Twins, image: NDArray[np.uint8]
) -> None:
    pending = fresh.gpu.submit([Frame(image, CameraModel(100, 20, 50.0, 50.0, 50.0, 10.0))])
    with pytest.raises(CameraError, match='camera_info must be of the image'):
        pending.result()
    fresh.agree([Frame(image)], SAME)


def test_a_lost_device_is_one_clear_error_for_good(fresh: Twins, image: NDArray[np.uint8]) -> None:
    before = fresh.gpu.submit([Frame(image)])
    assert before.result()
    lost = RuntimeError('CUDA error: unspecified launch failure\nCompile with TORCH_USE_CUDA_DSA')
    fresh.runtime.error, fresh.runtime.is_lost = lost, True
    message = r'^cpu must go on working, got: CUDA error: unspecified launch failure; restart'
    with pytest.raises(DeviceLostError, match=message) as failure:
        fresh.gpu.submit([Frame(image)]).result()
    assert '\n' not in str(failure.value)
    fresh.runtime.error, fresh.runtime.is_lost = None, False
    with pytest.raises(DeviceLostError, match=message):
        fresh.gpu.submit([Frame(image)]).result()
    assert before.result()
    fresh.runtime.release = lambda: (_ for _ in ()).throw(lost)  # type: ignore[method-assign]
    fresh.gpu.close()


def test_a_device_lost_during_a_frame_fails_its_result(
    fresh: Twins, image: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    pending = fresh.gpu.submit([Frame(image)])
    pending.wait_for_turn()

    def fail(_: object) -> None:
        msg = 'CUDA error: device lost'
        raise RuntimeError(msg)

    monkeypatch.setattr('cuda_double.Event.synchronize', fail)
    fresh.runtime.is_lost = True
    for _ in range(2):
        with pytest.raises(DeviceLostError, match='device lost'):
            pending.result()
    with pytest.raises(DeviceLostError, match='device lost'):
        fresh.gpu.submit([Frame(image)]).result()


@pytest.mark.parametrize('text', ['shapes differ', 'CUDA error: invalid argument'])
def test_an_error_that_the_device_survives_passes(
    fresh: Twins, image: NDArray[np.uint8], text: str
) -> None:
    fresh.gpu.estimate(image)
    fresh.runtime.error = RuntimeError(text)
    with pytest.raises(EngineError, match=f'^PyTorch failed on cpu: {text}$') as failure:
        fresh.gpu.submit([Frame(image)]).result()
    assert type(failure.value) is EngineError
    fresh.runtime.error = None
    fresh.agree([Frame(image)], SAME)


def test_a_handle_that_cannot_be_made_is_a_shortage_and_frames_go_on_one_by_one(
    fresh: Twins, image: NDArray[np.uint8]
) -> None:
    frames = [Frame(image), Frame(image[::-1])]
    fresh.agree(frames, SAME)
    text = 'CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`'
    error = RuntimeError(text)
    # The graph that is there fails; those made after caches are freed work.
    release = fresh.runtime.release

    def recover() -> None:
        fresh.runtime.error = None
        release()

    fresh.runtime.error = error
    fresh.runtime.release = recover  # type: ignore[method-assign]
    captured = fresh.runtime.captured
    fresh.agree(frames, SAME)
    assert (fresh.runtime.released, fresh.runtime.captured) == (1, captured + 1)
    replayed = fresh.runtime.replayed
    fresh.agree(frames, SAME)
    assert fresh.runtime.replayed == replayed + 2


@pytest.mark.parametrize(
    'error',
    [
        torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB\nmore'),
        RuntimeError('CUDA error: out of memory'),
        RuntimeError('cuDNN error: CUDNN_STATUS_ALLOC_FAILED'),
        RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate'),
        RuntimeError('CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling cublasCreate'),
        RuntimeError('cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED'),
        RuntimeError('GET was unable to find an engine to execute this computation'),
    ],
)
def test_short_memory_is_told_from_a_lost_device(error: RuntimeError) -> None:
    failure = as_engine_error(error, torch.device('cuda', 1))
    assert type(failure) is DeviceMemoryError
    assert str(failure).startswith('cuda:1 must have enough free memory, got: ')
    assert 'lower input_size' in str(failure)
    assert '\n' not in str(failure)


@pytest.mark.parametrize(
    'text',
    [
        'CUDA error: no kernel image is available for execution on the device\nCompile with',
        'CUDA error: CUBLAS_STATUS_ARCH_MISMATCH when calling cublasCreate',
        'cuDNN error: CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH',
    ],
)
def test_a_gpu_without_kernels_is_told_from_a_lost_device(text: str) -> None:
    failure = as_engine_error(RuntimeError(text), torch.device('cuda', 0))
    assert type(failure) is EngineError
    assert str(failure) == (
        f'PyTorch must have kernels for cuda:0, got: {text.splitlines()[0]}; set device to cpu, '
        'or install a PyTorch built for this GPU'
    )


def test_what_cannot_be_captured_runs_without_a_graph(
    weights: str,
    image: NDArray[np.uint8],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_runtime: DoubleRuntime, work: Callable[[], None]) -> Callable[[], None]:
        work()
        msg = 'CUDA error: operation not permitted when stream is capturing'
        raise RuntimeError(msg)

    monkeypatch.setattr(DoubleRuntime, 'capture', refuse)
    fresh = Twins(weights)
    with caplog.at_level(logging.WARNING):
        fresh.gpu.prepare(96, 128)
        fresh.agree([Frame(image)], SAME)
        fresh.agree([Frame(image, CAMERA, points=True)], SAME)
    (record,) = caplog.records
    assert record.getMessage() == (
        'cannot use a CUDA graph, so the network is slower: '
        'CUDA error: operation not permitted when stream is capturing'
    )


def test_preparing_captures_the_graph(fresh: Twins, image: NDArray[np.uint8]) -> None:
    fresh.gpu.prepare(96, 128)
    captured = fresh.runtime.captured
    fresh.agree([Frame(image)], SAME)
    assert fresh.runtime.captured == captured == 1


def test_another_size_is_prepared_between_frames_and_for_all_cameras(
    weights: str, image: NDArray[np.uint8]
) -> None:
    both = Twins(weights, cameras=('front', 'rear', 'left'))
    wide = np.concatenate([image, image], axis=1)
    preparation = both.gpu.prepare_async(*wide.shape[:2])
    assert preparation is not None
    assert both.gpu.prepare_async(*wide.shape[:2]) in {preparation, None}
    both.agree([Frame(image)] * 3, SAME)  # while that is under way
    preparation.result(60)
    assert both.gpu.prepare_async(*wide.shape[:2]) is None
    both.agree([Frame(wide)] * 2, RESIZED)
    both.gpu.close()  # after what is left of the preparation
    assert both.runtime.captured >= 3
    both.cpu.close()


def test_all_is_launched_in_one_thread_of_the_engine(
    fresh: Twins, image: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()
    enter = DoubleRuntime.on

    def on(runtime: DoubleRuntime, stream: Stream) -> AbstractContextManager[None]:
        threads.add(threading.current_thread().name)
        return enter(runtime, stream)

    monkeypatch.setattr(DoubleRuntime, 'on', on)
    fresh.gpu.prepare(60, 80)
    fresh.gpu.estimate(image, CAMERA, points=True)
    fresh.gpu.close()
    assert threads == {'cuda_engine_0'}


def test_a_size_that_cannot_be_prepared_is_an_error_of_its_frames(
    fresh: Twins, image: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        msg = 'CUDA out of memory'
        raise torch.OutOfMemoryError(msg)

    with monkeypatch.context() as patch:
        patch.setattr('drnet_ros.inference.engines.cuda.plan.BatchGraph.compute', fail)
        preparation = fresh.gpu.prepare_async(60, 80)
        assert preparation is not None
        preparation.result(60)
        assert fresh.gpu.prepare_async(60, 80) is None
        with pytest.raises(DeviceMemoryError, match='enough free memory'):
            fresh.gpu.submit([Frame(np.zeros((60, 80, 3), np.uint8))]).result()
    fresh.agree([Frame(image)], SAME)


def test_closing_ends_a_preparation(fresh: Twins) -> None:
    preparation = fresh.gpu.prepare_async(60, 80)
    fresh.gpu.close()
    assert preparation is not None
    assert preparation.done()
    with pytest.raises(EngineError, match='closed'):
        fresh.gpu.prepare_async(60, 80)
