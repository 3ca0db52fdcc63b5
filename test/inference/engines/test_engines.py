"""Engines: agreement, batches, ownership, order, and what they refuse."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray
from openvino import opset13

from drnet_ros.errors import EngineError, ImageError, WeightsError
from drnet_ros.inference import CameraModel, DepthEstimator, Frame, Settings
from drnet_ros.inference.engines import openvino_engine
from drnet_ros.inference.engines.model_cache import model_key
from drnet_ros.inference.engines.openvino_cache import conversion_to, converted_model
from drnet_ros.inference.engines.openvino_network import Network, Slot
from drnet_ros.network.metadata import read_metadata
from drnet_ros.weights import EMBEDDED, resolve_weights

pytestmark = pytest.mark.slow

# Half of a camera with the training camera's field of view, so that scaling counts.
CAMERA = CameraModel(128, 96, 50.0, 50.0, 63.5, 47.5)
# Errors of depth against torch in fp32, relative if not in metres. Measured: in fp32 1e-5 at most;
# in bf16 on average 0.6 % with trained weights on a room, 1 % on noise,
# and 3 % with random weights.
FP32_TOLERANCE = 1e-4
TRAINED_FP32_TOLERANCE_M = 1e-3
RANDOM_BF16_TOLERANCE = 0.06
TRAINED_BF16_TOLERANCE = 0.03
OPEN = {'min_depth': 0.001, 'max_depth': 80.0}


def _estimator(weights: str, **values: object) -> DepthEstimator:
    return DepthEstimator(Settings.from_mapping({'weights': weights, **OPEN, **values}))


@pytest.fixture(scope='module')
def openvino(weights: str, openvino_cache: Path) -> Iterator[DepthEstimator]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('DRNET_CACHE_DIR', str(openvino_cache))
        with _estimator(weights, engine='openvino', precision='fp32') as estimator:
            estimator.prepare(96, 128)
            yield estimator


@pytest.fixture(scope='module')
def reference(weights: str) -> Iterator[DepthEstimator]:
    with _estimator(weights, engine='torch', device='cpu') as estimator:
        yield estimator


@pytest.fixture(scope='module')
def onnxruntime(weights: str, openvino_cache: Path) -> Iterator[DepthEstimator]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('DRNET_CACHE_DIR', str(openvino_cache))
        with _estimator(weights, engine='onnxruntime') as estimator:
            yield estimator


@pytest.fixture(params=['openvino', 'onnxruntime', 'reference'])
def estimator(request: pytest.FixtureRequest) -> DepthEstimator:
    engine: DepthEstimator = request.getfixturevalue(request.param)
    return engine


def _relative(depth: NDArray[np.float32], truth: NDArray[np.float32]) -> NDArray[np.float32]:
    np.testing.assert_array_equal(np.isnan(depth), np.isnan(truth))
    error: NDArray[np.float32] = np.abs(depth - truth) / truth
    return error[np.isfinite(error)]


@pytest.mark.parametrize('name', ['openvino', 'onnxruntime'])
def test_engines_agree_in_fp32(
    request: pytest.FixtureRequest, name: str, reference: DepthEstimator,
    image: NDArray[np.uint8],
) -> None:  # fmt: skip
    engine: DepthEstimator = request.getfixturevalue(name)
    got = engine.estimate(image, CAMERA, points=True)
    truth = reference.estimate(image, CAMERA, points=True)
    error = _relative(got.depth_hw, truth.depth_hw)
    assert error.size > 0.9 * truth.depth_hw.size
    assert error.max() < FP32_TOLERANCE
    assert got.points is not None
    assert truth.points is not None
    np.testing.assert_allclose(got.points[..., :3], truth.points[..., :3], rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(
        got.points[..., 3].copy().view(np.uint32), truth.points[..., 3].copy().view(np.uint32)
    )


@pytest.mark.parametrize('engine', ['openvino', 'torch'])
def test_bf16_is_close(
    weights: str, engine: str, reference: DepthEstimator, image: NDArray[np.uint8]
) -> None:
    settings = {'engine': engine, 'device': 'cpu', 'precision': 'bf16'}
    try:
        estimator = _estimator(weights, **settings)
    except EngineError as refusal:
        pytest.skip(str(refusal))
    with estimator:
        got = estimator.estimate(image, CAMERA)
    truth = reference.estimate(image, CAMERA)
    assert np.mean(_relative(got.depth_hw, truth.depth_hw)) < RANDOM_BF16_TOLERANCE


def test_embedded_weights_agree_between_engines(image: NDArray[np.uint8]) -> None:
    try:
        resolve_weights(EMBEDDED)
    except WeightsError as absence:
        pytest.skip(str(absence))
    depths = []
    for engine, precision in (('torch', 'fp32'), ('openvino', 'fp32'), ('openvino', 'auto')):
        values = {'engine': engine, 'device': 'cpu', 'precision': precision}
        with _estimator(EMBEDDED, **values, input_size=[96, 128]) as estimator:
            depths.append(estimator.estimate(image).depth_hw)
    truth, fp32, native = depths
    # Noise is no room: some of the answers are near zero, where rounding decides on validity.
    assert np.nanmax(np.abs(fp32 - truth)) < TRAINED_FP32_TOLERANCE_M
    assert np.nanmean(np.abs(native - truth)) < TRAINED_BF16_TOLERANCE * np.nanmean(truth)


def test_a_guided_filter_keeps_the_precision_that_the_network_would_have_without(
    weights: str, guided_weights: str, image: NDArray[np.uint8]
) -> None:
    with _estimator(guided_weights, engine='torch', device='cpu') as reference:
        truth = reference.estimate(image).depth_hw
    with _estimator(guided_weights, engine='openvino', precision='fp32') as estimator:
        error = _relative(estimator.estimate(image).depth_hw, truth)
    assert np.nanmax(error) < FP32_TOLERANCE
    with _estimator(weights, engine='openvino') as plain:
        expected = plain.describe()['precision']
    with _estimator(guided_weights, engine='openvino') as estimator:
        assert estimator.describe()['precision'] == expected
        error = _relative(estimator.estimate(image).depth_hw, truth)
    assert np.nanmean(error) < RANDOM_BF16_TOLERANCE


def test_a_batch_gives_what_its_frames_give_alone(
    estimator: DepthEstimator, image: NDArray[np.uint8]
) -> None:
    images = [image, image[::-1], np.ascontiguousarray(image[:, ::-1])]
    frames = [Frame(each, CAMERA, points=index == 1) for index, each in enumerate(images)]
    together = estimator.submit(frames).result()
    assert [done.points is not None for done in together] == [False, True, False]
    for done, each in zip(together, images, strict=True):
        alone = estimator.estimate(each, CAMERA)
        np.testing.assert_allclose(done.depth_hw, alone.depth_hw, rtol=1e-4)


def test_results_are_the_callers_to_keep(
    estimator: DepthEstimator, image: NDArray[np.uint8]
) -> None:
    first = estimator.estimate(image).depth_hw
    kept = first.copy()
    first += 0  # writable
    for _ in range(3):
        estimator.estimate(255 - image)
    np.testing.assert_array_equal(first, kept)


def test_results_may_be_fetched_in_any_order_twice_or_never(
    estimator: DepthEstimator, image: NDArray[np.uint8]
) -> None:
    images = [np.roll(image, shift, axis=1) for shift in (0, 20, 40, 60)]
    pending = [estimator.submit([Frame(each)]) for each in images]
    pending.pop(1)
    images.pop(1)
    gc.collect()
    truth = [estimator.estimate(each).depth_hw for each in images]
    for index in (2, 0, 1, 2):
        done = pending[index].result(timeout_s=60)[0].depth_hw
        np.testing.assert_allclose(done, truth[index], rtol=1e-4)
    assert pending[0].result() is pending[0].result()


def test_a_result_that_is_not_ready_raises_and_can_be_waited_for(
    estimator: DepthEstimator, image: NDArray[np.uint8]
) -> None:
    # The last of many: it is done before the next line only if the test is held up for as long as
    # the engine takes for all of them.
    *earlier, pending = [estimator.submit([Frame(image)] * 8) for _ in range(10)]
    with pytest.raises(TimeoutError):
        pending.result(timeout_s=0)
    assert len(pending.result()) == 8
    assert len(earlier) == 9


def test_a_result_whose_turn_was_waited_for_is_there(
    estimator: DepthEstimator, image: NDArray[np.uint8]
) -> None:
    for filtered in (0.0, 1.0):
        estimator.update(estimator.settings.changed(temporal_filter=filtered))
        pending = estimator.submit([Frame(image)] * 8)
        pending.wait_for_turn()
        assert len(pending.result(timeout_s=0)) == 8


def test_depth_follows_the_camera(estimator: DepthEstimator, image: NDArray[np.uint8]) -> None:
    plain = estimator.estimate(image).depth_hw
    scaled = estimator.estimate(image, CAMERA).depth_hw
    np.testing.assert_allclose(scaled, 0.5 * plain, rtol=1e-4)


def test_any_image_size_gives_depth_of_that_size(
    estimator: DepthEstimator, image: NDArray[np.uint8]
) -> None:
    # Twice the size has the same network size: no second model has to be converted.
    large = np.repeat(np.repeat(image, 2, axis=0), 2, axis=1)
    done = estimator.estimate(large, CAMERA.scaled_to(192, 256), points=True)
    assert done.depth_hw.shape == (192, 256)
    assert done.points is not None
    assert done.points.shape == (192, 256, 4)
    small = estimator.estimate(image, CAMERA).depth_hw
    np.testing.assert_allclose(np.nanmean(done.depth_hw), np.nanmean(small), rtol=1e-2)


@pytest.mark.parametrize(
    ('frames', 'message'),
    [
        ([], 'at least one frame'),
        (
            [Frame(np.zeros((9, 9, 3), np.uint8)), Frame(np.zeros((9, 8, 3), np.uint8))],
            'same size',
        ),
        ([Frame(np.zeros((9, 9), np.uint8))], r'uint8 \(H, W, 3\)'),
        ([Frame(np.zeros((9, 9, 3), np.float32))], r'uint8 \(H, W, 3\)'),
        ([Frame(np.zeros((0, 9, 3), np.uint8))], r'uint8 \(H, W, 3\)'),
    ],
)
def test_unusable_batches_are_refused(
    estimator: DepthEstimator, frames: list[Frame], message: str
) -> None:
    with pytest.raises((EngineError, ImageError), match=message):
        estimator.submit(frames)


@pytest.mark.parametrize('image_hw', [(1, 1), (15, 60), (1, 60000), (16, 129)])
def test_images_of_extreme_shape_are_refused(
    estimator: DepthEstimator, image_hw: tuple[int, int]
) -> None:
    with pytest.raises(ImageError, match='an aspect ratio of at most 8:1') as refusal:
        estimator.submit([Frame(np.zeros((*image_hw, 3), np.uint8))])
    assert refusal.value.kind == 'bad_shape'
    with pytest.raises(ImageError):
        estimator.prepare(*image_hw)


@pytest.mark.parametrize('engine', ['openvino', 'torch'])
def test_a_closed_engine_finishes_its_work_and_takes_no_more(
    weights: str, engine: str, image: NDArray[np.uint8]
) -> None:
    estimator = _estimator(weights, engine=engine, device='cpu', precision='fp32')
    pending = estimator.submit([Frame(image)])
    estimator.close()
    assert pending.result()[0].depth_hw.shape == (96, 128)
    with pytest.raises(EngineError, match='closed'):
        estimator.submit([Frame(image)])


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'engine': 'torch', 'device': 'cpu', 'precision': 'fp16'}, 'precision must be auto'),
        ({'engine': 'torch', 'device': 'cuda:99'}, 'CUDA devices'),
        ({'engine': 'onnxruntime', 'precision': 'bf16'}, 'precision must be auto or fp32 on'),
    ],
)
def test_what_cannot_run_is_refused(weights: str, values: dict[str, object], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        _estimator(weights, **values)


@pytest.mark.parametrize('damage', ['xml', 'bin'])
def test_a_damaged_cached_model_is_dropped_and_made_again(
    weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, openvino: DepthEstimator,
    openvino_cache: Path, image: NDArray[np.uint8], damage: str,
) -> None:  # fmt: skip
    monkeypatch.setenv('DRNET_CACHE_DIR', str(tmp_path))
    path = Path(weights)
    key = model_key(path, read_metadata(path), conversion_to((96, 128)))
    shutil.copytree(openvino_cache / key, tmp_path / key)
    damaged = tmp_path / key / f'model.{damage}'
    whole_bytes = damaged.stat().st_size
    if damage == 'bin':  # as after a power cut: of its size, and in part not written
        damaged.write_bytes(bytes(whole_bytes))
    else:
        os.truncate(damaged, whole_bytes // 2)
    with _estimator(weights, engine='openvino', precision='fp32') as estimator:
        depth = estimator.estimate(image).depth_hw
    np.testing.assert_allclose(depth, openvino.estimate(image).depth_hw, rtol=FP32_TOLERANCE)
    assert damaged.stat().st_size == whole_bytes


def test_a_model_that_cannot_run_when_made_again_is_an_error(
    weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('DRNET_CACHE_DIR', str(tmp_path))
    made: list[Path] = []

    def make_damaged(*_: object) -> Path:
        model = tmp_path / str(len(made)) / 'model.xml'
        model.parent.mkdir()
        model.write_text('<not a model', encoding='utf-8')
        made.append(model)
        return model

    monkeypatch.setattr(openvino_engine, 'converted_model', make_damaged)
    with pytest.raises(EngineError, match='must run in OpenVINO') as refusal:
        _estimator(weights, engine='openvino')
    assert '\n' not in str(refusal.value)
    assert [model.exists() for model in made] == [False, False]


def test_a_first_run_that_fails_is_one_clear_error(
    weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Request:
        def wait(self) -> None:
            msg = 'Exception from src/plugins/cpu.cpp:7:\nno memory left'
            raise RuntimeError(msg)

    broken: Any = Request()
    monkeypatch.setattr(Network, 'start', lambda *_: Slot(broken))
    with pytest.raises(EngineError, match=r'OpenVINO failed: .*cpu.cpp:7: no memory left$'):
        _estimator(weights, engine='openvino', precision='fp32')


def test_a_failure_is_raised_by_the_result_and_not_while_its_turn_is_waited_for(
    weights: str, image: NDArray[np.uint8]
) -> None:
    class Request:
        waited = 0

        def wait(self) -> None:
            self.waited += 1
            msg = 'no memory left'
            raise RuntimeError(msg)

    broken: Any = Request()
    with _estimator(weights, engine='openvino', precision='fp32') as estimator:
        pending: Any = estimator.submit([Frame(image)])
        pending._slots[0].wait()
        pending._slots[0].request = broken
        pending.wait_for_turn()
        assert broken.waited == 1
        with pytest.raises(EngineError, match='OpenVINO failed: no memory left'):
            pending.result()


def test_a_frame_that_cannot_start_costs_no_infer_request_of_the_others(
    weights: str, monkeypatch: pytest.MonkeyPatch, image: NDArray[np.uint8]
) -> None:
    with _estimator(weights, engine='openvino', precision='fp32') as estimator:
        truth = estimator.estimate(image).depth_hw
        (made,) = estimator._engine._networks.values()  # type: ignore[attr-defined]
        network = made.result()
        with monkeypatch.context() as patch:
            patch.setattr(openvino_engine, 'resize_to_network', lambda rgb, _: rgb[: rgb[0, 0, 0]])
            fits, short = image.copy(), image.copy()
            fits[0, 0, 0], short[0, 0, 0] = 96, 50
            with pytest.raises(EngineError, match='cannot start'):
                estimator.submit([Frame(fits), Frame(short)])
        assert len(network._free) == 1
        np.testing.assert_array_equal(estimator.estimate(image).depth_hw, truth)


def test_a_size_is_prepared_beside_the_frames_of_others(
    weights: str,
    openvino: DepthEstimator,
    image: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tall = np.ascontiguousarray(image.transpose(1, 0, 2))
    may_convert = threading.Event()

    def convert_when_told(*arguments: Any) -> Path:
        assert may_convert.wait(120)
        return converted_model(*arguments)

    with _estimator(weights, engine='openvino', precision='fp32') as estimator:
        assert estimator.prepare_async(96, 128) is None
        monkeypatch.setattr(openvino_engine, 'converted_model', convert_when_told)
        preparation = estimator.prepare_async(128, 96)
        assert preparation is not None
        assert estimator.prepare_async(128, 96) is preparation
        truth = openvino.estimate(image).depth_hw
        np.testing.assert_allclose(estimator.estimate(image).depth_hw, truth, rtol=1e-4)
        assert not preparation.done()
        may_convert.set()
        preparation.result(timeout=120)
        assert estimator.prepare_async(128, 96) is None
        assert estimator.estimate(tall).depth_hw.shape == (128, 96)


@pytest.mark.parametrize(
    ('failure', 'message'),
    [
        (EngineError('no kernel of size 3'), r'^no kernel of size 3$'),
        (
            OSError(28, 'No space left on device', '/tmp/part'),  # noqa: S108 - only named
            r'^the network must be made ready at \(128, 96\), got: OSError: .*No space left .*',
        ),
    ],
)
def test_a_preparation_that_fails_is_told_by_all_frames_and_tried_again_after_a_pause(
    weights: str, monkeypatch: pytest.MonkeyPatch, image: NDArray[np.uint8], failure: Exception,
    message: str,
) -> None:  # fmt: skip
    tall = np.ascontiguousarray(image.transpose(1, 0, 2))
    clock: Any = SimpleNamespace(monotonic=lambda: clock.now_s)
    tried_s: list[float] = []

    def fail(*_: object) -> Path:
        tried_s.append(clock.now_s)
        raise failure

    with (
        _estimator(weights, engine='openvino', precision='fp32') as estimator,
        monkeypatch.context() as patch,
    ):
        patch.setattr(openvino_engine, 'time', clock)
        patch.setattr(openvino_engine, 'converted_model', fail)
        lengths = set()
        for clock.now_s in (100.0, 100.1, 129.9, 130.1, 140.0, 160.0):
            preparation = estimator.prepare_async(128, 96)
            if preparation is not None:
                assert isinstance(preparation.exception(timeout=60), EngineError)
            assert estimator.prepare_async(128, 96) is None
            with pytest.raises(EngineError, match=message) as told:
                estimator.submit([Frame(tall)])
            lengths.add(len(traceback.extract_tb(told.value.__traceback__)))
            assert estimator.estimate(image).depth_hw.shape == (96, 128)
        assert tried_s == [100.0, 130.1]
        assert len(lengths) == 1, 'an error keeps the frames that were told of it before'
        clock.now_s = 160.2  # `prepare_async` would try again now, in a thread of its own
        with pytest.raises(EngineError, match=message):
            estimator.submit([Frame(tall)])
        assert tried_s == [100.0, 130.1]
        clock.now_s = 161.2
        patch.setattr(openvino_engine, 'converted_model', converted_model)
        assert estimator.estimate(tall).depth_hw.shape == (128, 96)


def test_an_unforeseen_failure_is_logged_with_its_traceback_once_a_try(
    weights: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> Path:
        networks: dict[str, Path] = {}
        return networks['size']

    with _estimator(weights, engine='openvino', precision='fp32') as estimator:
        monkeypatch.setattr(openvino_engine, 'converted_model', fail)
        for _ in range(3):
            with pytest.raises(EngineError, match=r"got: KeyError: 'size'$"):
                estimator.prepare(128, 96)
    (record,) = [each for each in caplog.records if each.levelname == 'ERROR']
    assert record.exc_info is not None
    assert record.exc_info[0] is KeyError


def test_networks_are_kept_for_as_many_sizes_as_there_are_cameras(
    weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, int]] = []

    def make_mean(_: Path, __: object, size_hw: tuple[int, int], ___: Path) -> Path:
        """Write a network that converts in no time: depth is the mean of the channels."""
        made.append(size_hw)
        image = opset13.parameter([1, *size_hw, 3], np.uint8, name='image')
        depth = opset13.reduce_mean(opset13.convert(image, 'f32'), np.array([3]))
        path = tmp_path / f'{len(made)}.xml'
        ov.save_model(ov.Model([opset13.unsqueeze(depth, np.array([1]))], [image]), path)
        return path

    monkeypatch.setattr(openvino_engine, 'converted_model', make_mean)
    sizes = [(96, 128), (96, 512), (128, 96), (128, 224), (128, 128), (512, 96)]
    for count, makes in ((1, 12), (6, 6)):
        made.clear()
        cameras = [f'camera_{index}' for index in range(count)]
        values = {'engine': 'openvino', 'precision': 'fp32', 'scale_by_focal_length': False}
        with _estimator(weights, **values, cameras=cameras) as estimator:
            assert len({estimator._engine.network_size(size) for size in sizes}) == 6
            for _ in range(2):
                for size in sizes:
                    depth = estimator.estimate(np.full((*size, 3), 4, np.uint8)).depth_hw
                    assert np.all(depth == 4)
        assert len(made) == makes


def test_a_start_with_cached_model_imports_no_torch(
    weights: str, openvino_cache: Path, openvino: DepthEstimator
) -> None:
    assert openvino.describe()['network_size'] == '96x128'
    script = f"""
import sys
import drnet_ros.inference
assert not {{'torch', 'openvino', 'cv2', 'rclpy'}} & set(sys.modules), 'imported too early'
import numpy as np
from drnet_ros.inference import DepthEstimator, Settings
with DepthEstimator(Settings(weights={weights!r}, engine='openvino')) as estimator:
    depth = estimator.estimate(np.zeros((96, 128, 3), np.uint8)).depth_hw
assert depth.shape == (96, 128)
assert 'torch' not in sys.modules
"""
    subprocess.run(
        [sys.executable, '-c', script], check=True, timeout=120,
        cwd=Path(__file__).resolve().parents[3],
        env={'DRNET_CACHE_DIR': str(openvino_cache), 'PATH': '/usr/bin:/bin'},
    )  # fmt: skip
