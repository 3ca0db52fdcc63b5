"""The estimator: networks asked for, live settings, descriptions, devices."""

from __future__ import annotations

import json
import os
import pwd
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from drnet_ros.errors import (
    CameraError,
    EngineError,
    ImageError,
    SettingsError,
    SparseDepthError,
    WeightsError,
)
from drnet_ros.inference import CameraModel, DepthEstimator, Frame, Settings, SparseDepth
from drnet_ros.inference.camera import rays
from drnet_ros.inference.engines import devices
from drnet_ros.inference.engines.factory import create_engine
from drnet_ros.inference.engines.model_cache import cache_folder, model_key
from drnet_ros.inference.engines.openvino_cache import conversion_to, converted_model
from drnet_ros.network.metadata import read_metadata
from drnet_ros.weights import resolve_weights


def _settings(weights: str, **values: object) -> Settings:
    return Settings.from_mapping({'weights': weights, 'engine': 'openvino', **values})


@pytest.mark.parametrize(
    ('scale_model', 'message'),
    [
        (
            {'stddev_factor': -1.0},
            r'stddev_factor of the scale model must be .*1e-06\.\.1000, got -1',
        ),
        ({'local_stddev': 1e300}, r'local_stddev .*got 1e\+300; measure it again with "drnet cal'),
        ({'local_stddev': 'x'}, "local_stddev of the scale model must be .*got 'x'"),
        ({'twist': 1.0}, "the scale model has no number 'twist'; install"),
    ],
)
def test_an_impossible_scale_model_is_named_with_its_file(
    weights: str, tmp_path: Path, scale_model: dict[str, object], message: str
) -> None:
    with safe_open(weights, framework='numpy') as file:
        header = dict(file.metadata())
    record = {**json.loads(header['drnet']), 'scale_model': scale_model}
    path = tmp_path / 'mine.safetensors'
    save_file(load_file(weights), path, {**header, 'drnet': json.dumps(record)})
    with pytest.raises(WeightsError, match=rf'mine\.safetensors: {message}'):
        DepthEstimator(_settings(str(path)))


@pytest.mark.parametrize(
    'values', [{}, {'backbone': 'efficientnet_lite0'}, {'correction_kernel': 1}]
)
def test_weights_of_the_network_asked_for_are_taken(
    weights: str, values: dict[str, object]
) -> None:
    with DepthEstimator(_settings(weights, **values)) as estimator:
        assert estimator.metadata.network.backbone == 'efficientnet_lite0'


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'backbone': 'resnet50'}, "backbone 'resnet50', got 'efficientnet_lite0'"),
        ({'guided_filter': True}, 'guided_filter True, got False'),
        ({'correction_kernel': 5}, 'correction_kernel 5, got 1'),
    ],
)
def test_weights_of_another_network_are_refused_naming_both(
    weights: str, values: dict[str, object], message: str
) -> None:
    with pytest.raises(WeightsError, match=message):
        DepthEstimator(_settings(weights, **values))


def test_missing_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match='no file at'):
        DepthEstimator(_settings(str(tmp_path / 'none.safetensors')))


@pytest.mark.parametrize('path', ['x' * 5000, '~nobody-of-this-name/w.safetensors', 'a\0b'])
def test_paths_that_cannot_be_followed_are_refused(path: str) -> None:
    with pytest.raises(WeightsError, match='must be'):
        resolve_weights(path)


def test_missing_weights_say_what_is_embedded_and_how_to_get_others() -> None:
    with pytest.raises(WeightsError) as refusal:
        resolve_weights('resnet50.safetensors')
    assert 'found no file at resnet50.safetensors; only the lite network is embedded' in str(
        refusal.value
    )
    assert '`drnet train --config PRESET`' in str(refusal.value)


RGB = np.zeros((96, 128, 3), np.uint8)


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        ('photo.jpg', 'got str; read the file'),
        (RGB.tolist(), 'got list; '),
        (RGB[..., 0], r'got shape \(96, 128\); give three channels'),
        (np.zeros((3, 96, 128), np.uint8), r'got shape \(3, 96, 128\); put the channels last'),
        (RGB[np.newaxis], r'got shape \(1, 96, 128, 3\); give the images of a batch one by one'),
        (np.zeros((96, 128, 4), np.uint8), r'; leave out the fourth channel: image\[\.\.\., :3\]'),
        (RGB[..., :1], r'; give three channels, such as numpy\.repeat\(gray, 3, axis=2\)'),
        (RGB / 255.0, r'got dtype float64; scale it to 0\.\.255'),
    ],
)
def test_wrong_images_are_named_with_what_helps(weights: str, image: Any, message: str) -> None:
    with (
        DepthEstimator(_settings(weights)) as estimator,
        pytest.raises(ImageError, match=r'an image must be a numpy array, uint8.*' + message),
    ):
        estimator.estimate(image)


def test_wrong_arguments_are_named(weights: str) -> None:
    with pytest.raises(
        SettingsError,
        match='settings must be a Settings or the path of a weights file, got dict; write',
    ):
        DepthEstimator({'weights': weights})  # type: ignore[arg-type]
    with pytest.raises(
        EngineError, match=r"an Engine, got 'torch'; .* Settings\(engine='torch'\)"
    ):
        DepthEstimator(_settings(weights), engine='torch')  # type: ignore[arg-type]
    with DepthEstimator(_settings(weights)) as estimator:
        with pytest.raises(CameraError, match='camera must be a CameraModel, got tuple'):
            estimator.estimate(RGB, (1.0, 1.0, 2.0, 2.0))  # type: ignore[arg-type]
        with pytest.raises(CameraError, match='points must have a camera, got none'):
            estimator.estimate(RGB, points=True)
        with pytest.raises(EngineError, match="stddev must be True or False, got 'no'"):
            estimator.estimate(RGB, stddev='no')  # type: ignore[arg-type]
        with pytest.raises(SparseDepthError, match='must be a SparseDepth, got ndarray; write'):
            estimator.submit([Frame(RGB, sparse_depth=np.ones((5, 3)))])  # type: ignore[arg-type]
        with pytest.raises(CameraError, match='sparse_depth must have a camera, got none'):
            estimator.estimate(RGB, sparse_depth=SparseDepth(np.ones((5, 3))))
        with pytest.raises(EngineError, match='a list of Frame, got Frame; write'):
            estimator.submit(Frame(RGB))  # type: ignore[arg-type]
        with pytest.raises(EngineError, match='a list of Frame, got a list with ndarray; write'):
            estimator.submit([Frame(RGB), RGB])  # type: ignore[list-item]
        with pytest.raises(ImageError, match='an image must be a numpy array'):
            estimator.submit([Frame(None)])  # type: ignore[arg-type]
        with pytest.raises(CameraError, match='camera must be a CameraModel, got ndarray'):
            estimator.submit([Frame(RGB, np.eye(3))])  # type: ignore[arg-type]
        with pytest.raises(EngineError, match="stamp_ns must be nanoseconds or None, got '5'"):
            estimator.estimate(RGB, stamp_ns='5')  # type: ignore[arg-type]
        with pytest.raises(EngineError, match=r'stream must be the name of a camera, .* got 0'):
            estimator.submit([Frame(RGB, stream=0)])  # type: ignore[arg-type]
        with pytest.raises(SettingsError, match='or the path of a weights file, got dict; write'):
            estimator.update({'max_depth': 3.0})  # type: ignore[arg-type]


def test_wrong_arguments_for_an_engine_are_named(weights: str) -> None:
    path = Path(weights)
    metadata: Any = read_metadata(path)
    with pytest.raises(SettingsError, match="settings must be a Settings, got 'x'"):
        create_engine('x', path, metadata)  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match=r'weights_path must be the path of .*, got None'):
        create_engine(_settings(weights), None, metadata)  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match='metadata must be a WeightsMetadata, got None'):
        create_engine(_settings(weights), path, None)  # type: ignore[arg-type]


def test_live_settings_change_and_others_are_refused(weights: str) -> None:
    with DepthEstimator(_settings(weights)) as estimator:
        changed = estimator.settings.changed(max_depth=5.0)
        estimator.update(changed)
        assert estimator.settings.max_depth == 5.0
        with pytest.raises(SettingsError, match="engine must stay 'openvino' while running"):
            estimator.update(estimator.settings.changed(engine='torch'))


def test_description(weights: str) -> None:
    with DepthEstimator(_settings(weights, precision='fp32')) as estimator:
        assert estimator.describe() == {
            'engine': 'openvino',
            'device': 'cpu',
            'precision': 'fp32',
            'weights': weights,
            'backbone': 'efficientnet_lite0',
            'guided_filter': 'false',
            'network_size': '96x128',
        }


@pytest.mark.parametrize(
    ('values', 'cuda', 'expected'),
    [
        ({'engine': 'auto', 'device': 'auto'}, False, 'openvino'),
        ({'engine': 'auto', 'device': 'cpu'}, True, 'openvino'),
        ({'engine': 'torch', 'device': 'cpu'}, False, 'torch'),
    ],
)
def test_engine_choice(
    weights: str, monkeypatch: pytest.MonkeyPatch, values: dict[str, str], cuda: bool,
    expected: str,
) -> None:  # fmt: skip
    monkeypatch.setattr('drnet_ros.inference.engines.factory.has_cuda', lambda: cuda)
    path = Path(weights)
    engine = create_engine(_settings(weights, **values), path, read_metadata(path))
    assert engine.name == expected
    engine.close()


@pytest.mark.parametrize(
    ('engine', 'modules', 'missing', 'package'),
    [
        ('openvino', ['engines.openvino_engine'], 'openvino', 'openvino'),
        ('torch', [], 'timm', 'timm'),
        (
            'torch',
            ['engines.torch_engine', 'postprocess', 'postprocess.mask', 'postprocess.processor'],
            'cv2',
            'opencv-python-headless',
        ),
    ],
)
def test_the_library_that_an_engine_lacks_is_named(
    weights: str, monkeypatch: pytest.MonkeyPatch, engine: str, modules: list[str], missing: str,
    package: str,
) -> None:  # fmt: skip
    for module in modules:  # imported before, by other tests
        monkeypatch.delitem(sys.modules, f'drnet_ros.inference.{module}', raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    path = Path(weights)
    message = f'^engine {engine!r} must have {missing} installed, .*; pip install {package}$'
    with pytest.raises(EngineError, match=message):
        create_engine(_settings(weights, engine=engine, device='cpu'), path, read_metadata(path))


def test_a_machine_without_driver_has_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, '_driver_device_count', lambda: 0)
    assert not devices.has_cuda()
    assert devices.usable_cores() >= 1


def test_cached_models_are_named_by_all_that_goes_into_them(weights: str, tmp_path: Path) -> None:
    path = Path(weights)
    metadata = read_metadata(path)
    key = model_key(path, metadata, conversion_to((96, 128)))
    copy = tmp_path / 'renamed.safetensors'
    copy.write_bytes(path.read_bytes())
    assert model_key(copy, metadata, conversion_to((96, 128))) == key
    assert model_key(path, metadata, conversion_to((128, 96))) != key
    copy.write_bytes(path.read_bytes() + b'x')
    assert model_key(copy, metadata, conversion_to((96, 128))) != key


def test_cache_folder_is_the_users_or_a_private_one_where_it_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv('DRNET_CACHE_DIR', str(tmp_path / 'mine'))
    assert cache_folder() == tmp_path / 'mine'
    monkeypatch.delenv('DRNET_CACHE_DIR')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    assert cache_folder() == tmp_path / 'xdg' / 'drnet_ros'
    blocked = tmp_path / 'file'
    blocked.write_text('', encoding='utf-8')
    monkeypatch.setenv('DRNET_CACHE_DIR', str(blocked))
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    fallback = cache_folder()
    assert fallback == tmp_path / f'drnet_ros_{os.getuid()}'
    assert fallback.stat().st_mode & 0o777 == 0o700
    assert f'cannot write {blocked}' in caplog.text
    assert 'set DRNET_CACHE_DIR' in caplog.text
    assert cache_folder() == fallback  # and nothing more is left behind at each start


def test_a_temporary_folder_that_others_can_write_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / 'file'
    blocked.touch()
    monkeypatch.setenv('DRNET_CACHE_DIR', str(blocked))
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    (tmp_path / f'drnet_ros_{os.getuid()}').mkdir()
    (tmp_path / f'drnet_ros_{os.getuid()}').chmod(0o777)
    with pytest.raises(EngineError, match=r'got .*/file .* set DRNET_CACHE_DIR'):
        cache_folder()


@pytest.mark.slow
@pytest.mark.skipif(not Path('/dev/full').exists(), reason='no /dev/full here')
def test_a_full_cache_disk_is_named_with_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: str
) -> None:
    path = resolve_weights(weights)

    def full(prefix: str, dir: Path) -> str:  # noqa: A002 - the name that mkdtemp has for it
        part = dir / f'{prefix}x'
        part.mkdir()
        (part / 'model.bin').symlink_to('/dev/full')
        return str(part)

    monkeypatch.setattr(tempfile, 'mkdtemp', full)
    with pytest.raises(EngineError) as refusal:
        converted_model(path, read_metadata(path), (96, 128), tmp_path)
    said = str(refusal.value)
    assert f'the cache {tmp_path} must have room for {path.name}, got: ' in said
    assert 'or set DRNET_CACHE_DIR to a folder with room' in said
    assert '\n' not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('named', ['mine', ''])
def test_a_user_without_a_home_gets_the_folder_named_or_a_private_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, named: str
) -> None:
    def know_nobody(uid: int) -> None:
        raise KeyError(uid)

    for name in ('HOME', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, 'getpwuid', know_nobody)
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    monkeypatch.setenv('DRNET_CACHE_DIR', str(tmp_path / named) if named else '')
    folder = cache_folder()
    assert folder.is_dir()
    assert folder.parent == tmp_path
    assert (folder.name == 'mine') == bool(named)
    assert ('cannot write' in caplog.text) != bool(named)


def test_parts_of_conversions_long_dead_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, age_s in (('.part_old', 3600), ('.part_new', 60), ('model', 3600)):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'model.bin').touch()
        os.utime(tmp_path / name, times=(time.time() - age_s,) * 2)
    monkeypatch.setenv('DRNET_CACHE_DIR', str(tmp_path))
    cache_folder()
    assert {path.name for path in tmp_path.iterdir()} == {'.part_new', 'model'}


def test_closing_frees_the_rays_of_its_cameras(weights: str) -> None:
    estimator = DepthEstimator(_settings(weights))
    rays(CameraModel(64, 48, 50.0, 50.0, 31.5, 23.5))
    assert rays.cache_info().currsize
    estimator.close()
    assert not rays.cache_info().currsize


def _is_running(pid: int) -> bool:
    try:
        stat = Path(f'/proc/{pid}/stat').read_text(encoding='utf-8')
    except OSError:
        return False
    return stat.rpartition(')')[2].split()[0] != 'Z'


@pytest.mark.slow
def test_a_conversion_ends_with_the_process_that_started_it(weights: str, tmp_path: Path) -> None:
    script = (
        'import sys; from pathlib import Path; '
        'from drnet_ros.inference.engines import conversion, openvino_cache; '
        'to = openvino_cache.conversion_to((1024, 1024)); '
        'conversion.run_conversion(Path(sys.argv[1]), to, Path(sys.argv[2]))'
    )
    with subprocess.Popen([sys.executable, '-c', script, weights, str(tmp_path)]) as parent:
        children = Path(f'/proc/{parent.pid}/task/{parent.pid}/children')
        until = time.monotonic() + 60
        while not (found := children.read_text(encoding='utf-8').split()):
            assert time.monotonic() < until, 'no conversion started'
            time.sleep(0.05)
        assert _is_running(int(found[0]))
        parent.kill()
    until = time.monotonic() + 60
    while _is_running(int(found[0])) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _is_running(int(found[0]))
    assert not any(tmp_path.iterdir()), 'the conversion ended because it was done'


def test_the_path_of_weights_is_enough(weights: str) -> None:
    for given in (weights, Path(weights)):
        with DepthEstimator(given) as estimator:
            assert estimator.settings == Settings(weights=weights)


def test_the_assumed_camera_changes_nothing(weights: str) -> None:
    with DepthEstimator(weights) as estimator:
        rgb = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
        camera = estimator.assumed_camera(60, 80)
        assert (camera.width, camera.height, camera.fx) == (80, 60, camera.fy)
        expected = estimator.estimate(rgb).depth_hw
        np.testing.assert_allclose(estimator.estimate(rgb, camera).depth_hw, expected, rtol=1e-5)


def test_a_forked_process_is_refused_and_does_not_wait_for_ever(weights: str) -> None:
    with DepthEstimator(_settings(weights)) as estimator:
        estimator.estimate(RGB)
        received, sent = os.pipe()
        child = os.fork()
        if not child:
            try:
                estimator.estimate(RGB)
            except EngineError as error:
                os.write(sent, str(error).encode())
            os._exit(0)
        os.close(sent)
        assert select.select([received], [], [], 30.0)[0], 'it waits'
        said = os.read(received, 4096).decode()
        os.waitpid(child, 0)
        os.close(received)
        assert 'an estimator must be used in the process that made it' in said
        estimator.estimate(RGB)


_ENDED_BY_EXIT = """
import os, sys
import numpy as np
from drnet_ros.inference import DepthEstimator, Frame, Settings
settings = Settings.from_mapping({'weights': sys.argv[1], 'engine': sys.argv[2]})
estimator = DepthEstimator(settings)
image = np.zeros((60, 80, 3), np.uint8)
estimator.estimate(image)
pending = estimator.submit([Frame(image)])
for how in ('as it is', 'closed', 'without it'):
    child = os.fork()
    if not child:
        if how == 'closed':
            estimator.close()
        if how == 'without it':
            del estimator, pending
        sys.exit(3)
    print(how, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
pending.result()
"""


@pytest.mark.slow
@pytest.mark.parametrize('engine', ['openvino', 'torch'])
def test_a_forked_process_ends_by_sys_exit(engine: str, weights: str) -> None:
    """As a child of `os.fork` that never uses the estimator of its parent."""
    done = subprocess.run(
        [sys.executable, '-c', _ENDED_BY_EXIT, weights, engine],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.splitlines() == ['as it is 3', 'closed 3', 'without it 3']
