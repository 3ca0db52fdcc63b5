"""The engine on a real GPU against the CPU's; for whoever has one: `pytest -m gpu`."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from drnet_ros.errors import DeviceMemoryError
from drnet_ros.inference import CameraModel, DepthEstimator, Frame, Settings
from drnet_ros.inference.engines.cuda.runtime import CudaRuntime
from drnet_ros.inference.engines.torch_engine import TorchEngine
from drnet_ros.network.metadata import read_metadata

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
]

OPEN = {'min_depth': 0.001, 'max_depth': 80.0}
CAMERA = CameraModel(
    128, 96, 50.0, 52.0, 60.0, 50.0, distortion_model='plumb_bob', d=(-0.1, 0.01, 0.0, 0.0, 0.0)
)
FP32_TOLERANCE = 1e-3
# Mean relative error with random weights, which make rounded inputs count: as on the CPU.
RESIZED_TOLERANCE = 0.04
HALF_TOLERANCE = 0.06
DEADLINE_S = 60.0


def _estimator(weights: str, device: str, **values: object) -> DepthEstimator:
    return DepthEstimator(
        Settings.from_mapping(
            {'weights': weights, 'engine': 'torch', 'device': device, **OPEN, **values}
        )
    )


class Counting(CudaRuntime):
    """Counts captures.

    Attributes:
        captured: How many graphs were captured.
    """

    def __init__(self) -> None:
        super().__init__(torch.device('cuda', 0))
        self.captured = 0

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        replay = super().capture(work)
        self.captured += 1
        return replay


def _counted(weights: str, **values: object) -> tuple[DepthEstimator, Counting]:
    settings = Settings.from_mapping(
        {'weights': weights, 'engine': 'torch', 'device': 'cuda:0', **OPEN, **values}
    )
    runtime = Counting()
    engine = TorchEngine(settings, Path(weights), read_metadata(Path(weights)), runtime=runtime)
    return DepthEstimator(settings, engine=engine), runtime


@pytest.fixture(scope='module')
def cpu(weights: str) -> Iterator[DepthEstimator]:
    with _estimator(weights, 'cpu') as estimator:
        yield estimator


@pytest.fixture(scope='module')
def gpu(weights: str) -> Iterator[DepthEstimator]:
    with _estimator(weights, 'cuda', precision='fp32') as estimator:
        yield estimator


def _error(got: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    both = np.isfinite(got) & np.isfinite(truth)
    assert both.mean() > 0.2
    assert np.mean(np.isfinite(got) != np.isfinite(truth)) < 0.02
    return float(np.mean(np.abs(got[both] / truth[both] - 1)))


def _resized(image: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(image, size_hw[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


def test_a_graph_is_captured_for_each_batch_of_the_cameras(
    weights: str, image: NDArray[np.uint8]
) -> None:
    gpu, runtime = _counted(weights, cameras=('front', 'rear', 'left'))
    with gpu:
        frames = [Frame(np.roll(image, 9 * shift, axis=1)) for shift in range(3)]
        alone = [gpu.submit([frame]).result()[0].depth_hw for frame in frames]
        assert gpu.prepare_async(*image.shape[:2]) is None  # single frames can start
        deadline = time.monotonic() + DEADLINE_S
        while runtime.captured < 3:  # for 1, 2 and 3 frames
            assert time.monotonic() < deadline
        for count in (1, 2, 3):
            for done, depth in zip(gpu.submit(frames[:count]).result(), alone, strict=False):
                assert _error(done.depth_hw, depth) < HALF_TOLERANCE
        assert runtime.captured == 3


@pytest.mark.parametrize('count', [1, 2, 4])
@pytest.mark.parametrize(
    ('size_hw', 'tolerance'),
    [
        ((96, 128), FP32_TOLERANCE),
        ((192, 256), RESIZED_TOLERANCE),
        ((101, 133), RESIZED_TOLERANCE),
    ],
)
def test_frames_are_those_of_the_cpu(
    cpu: DepthEstimator, gpu: DepthEstimator, image: NDArray[np.uint8],
    size_hw: tuple[int, int], count: int, tolerance: float,
) -> None:  # fmt: skip
    rgb, camera = _resized(image, size_hw), CAMERA.scaled_to(*size_hw)
    frames = [
        Frame(np.roll(rgb, 9 * index, axis=1), camera if index % 2 == 0 else None, points=True)
        for index in range(count)
    ]
    for settings in (
        cpu.settings,
        cpu.settings.changed(edge_threshold=0.1, point_stride=3, output_size=(50, 60)),
    ):
        truth = cpu._engine.submit(frames, settings).result()
        for done, expected in zip(
            gpu._engine.submit(frames, settings).result(), truth, strict=True
        ):
            assert _error(done.depth_hw, expected.depth_hw) < tolerance
            assert (done.points is None) == (expected.points is None)
            if done.points is not None and expected.points is not None:
                assert done.points.shape == expected.points.shape
                assert _error(done.points[..., 2], expected.points[..., 2]) < tolerance
                got, right = (
                    (points[..., 3].copy().view(np.uint32)[..., None] >> np.array([16, 8, 0]))
                    & 255
                    for points in (done.points, expected.points)
                )
                assert np.abs(got.astype(int) - right.astype(int)).max() <= 1


@pytest.mark.parametrize('precision', ['fp16', 'bf16', 'auto'])
@pytest.mark.parametrize('is_guided', [False, True])
def test_half_precision_is_close(
    weights: str, guided_weights: str, image: NDArray[np.uint8], precision: str, is_guided: bool
) -> None:
    chosen = guided_weights if is_guided else weights
    with _estimator(chosen, 'cpu') as cpu, _estimator(chosen, 'cuda', precision=precision) as gpu:
        truth, got = cpu.estimate(image, CAMERA), gpu.estimate(image, CAMERA)
    assert _error(got.depth_hw, truth.depth_hw) < HALF_TOLERANCE


def test_batches_under_way_do_not_disturb_each_other(
    gpu: DepthEstimator, image: NDArray[np.uint8]
) -> None:
    images = [np.roll(image, shift, axis=1) for shift in range(0, 100, 20)]
    alone = [gpu.estimate(each, CAMERA, points=True) for each in images]
    random = np.random.default_rng(1)
    for _ in range(20):
        order = random.integers(0, len(images), 12)
        pending = [gpu.submit([Frame(images[i], CAMERA, points=True)]) for i in order]
        for index in random.permutation(12)[:9]:
            done = pending[index].result(DEADLINE_S)[0]
            truth = alone[order[index]]
            np.testing.assert_allclose(done.depth_hw, truth.depth_hw, rtol=FP32_TOLERANCE)


def test_the_next_upload_does_not_wait_for_the_computation(
    weights: str, image: NDArray[np.uint8]
) -> None:
    gpu, runtime = _counted(weights, precision='fp32')
    with gpu:
        for _ in range(4):  # all slots allocated: that alone makes uploads wait
            gpu.estimate(image)
        before = gpu.submit([Frame(image)])
        before.wait_for_turn()
        with runtime.on(runtime.compute):
            torch.cuda._sleep(4_000_000_000)  # type: ignore[no-untyped-call]  # a few seconds
        pending = gpu.submit([Frame(image)])
        pending.wait_for_turn()
        uploaded = runtime.event()
        uploaded.record(runtime.upload)
        deadline = time.monotonic() + DEADLINE_S
        while not uploaded.query():
            assert time.monotonic() < deadline
        assert not runtime.compute.query()
        with pytest.raises(TimeoutError):
            pending.result(timeout_s=0)
        depth = before.result(DEADLINE_S)[0].depth_hw
        np.testing.assert_allclose(
            pending.result(DEADLINE_S)[0].depth_hw, depth, rtol=FP32_TOLERANCE
        )


def test_live_settings_use_the_same_graph(weights: str, image: NDArray[np.uint8]) -> None:
    gpu, runtime = _counted(weights, precision='fp32')
    with gpu:
        full = gpu.estimate(image).depth_hw
        captured = runtime.captured
        limit = float(np.nanmedian(full))
        gpu.update(gpu.settings.changed(max_depth=limit))
        depth = gpu.estimate(image).depth_hw
        np.testing.assert_array_equal(np.isfinite(depth), full <= np.float32(limit))
        assert runtime.captured == captured


def test_graphs_are_captured_while_another_thread_fetches(
    weights: str, image: NDArray[np.uint8]
) -> None:
    gpu, runtime = _counted(weights)
    with gpu:
        wrong: list[Exception] = []
        truth = gpu.estimate(image).depth_hw
        pending = [gpu.submit([Frame(image)]) for _ in range(8)]
        pinned_too = threading.Event()

        def fetch() -> None:
            try:
                while not pinned_too.is_set():
                    for each in pending:
                        depth = each.result(DEADLINE_S)[0].depth_hw
                        np.testing.assert_allclose(depth, truth, rtol=0.05)
                    torch.zeros(1 << 20, pin_memory=True).cuda(non_blocking=True)
            except Exception as error:  # noqa: BLE001 - seen by the test's own thread
                wrong.append(error)

        thread = threading.Thread(target=fetch)
        thread.start()
        captured = runtime.captured
        widths = range(136, 296, 16)  # more shapes than graphs are kept
        for width in widths:
            gpu.estimate(_resized(image, (96, width)))
        pinned_too.set()
        thread.join(DEADLINE_S)
        assert not wrong
        assert runtime.captured == captured + len(widths)


def test_short_memory_is_one_clear_error_and_passes(
    weights: str, image: NDArray[np.uint8]
) -> None:
    large = _resized(image, (1440, 1920))
    with _estimator(weights, 'cuda', input_size=(1440, 1920), precision='fp32') as gpu:
        torch.cuda.set_per_process_memory_fraction(1e-6)  # no more than there is already
        try:
            with pytest.raises(DeviceMemoryError, match='must have enough free memory'):
                gpu.submit([Frame(large), Frame(large)]).result()
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        assert np.isfinite(gpu.estimate(large).depth_hw).any()


def test_closing_gives_memory_back(weights: str, image: NDArray[np.uint8]) -> None:
    gc.collect()
    before = torch.cuda.memory_allocated()
    gpu = _estimator(weights, 'cuda')
    pending = gpu.submit([Frame(image, CAMERA, points=True)])
    gpu.close()
    assert pending.result(DEADLINE_S)[0].points is not None
    del gpu, pending
    gc.collect()
    assert torch.cuda.memory_allocated() <= before
