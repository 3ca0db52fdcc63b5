"""The estimator: networks asked for, live settings, descriptions, devices."""

from __future__ import annotations

from pathlib import Path

import pytest

from drnet_ros.errors import SettingsError, WeightsError
from drnet_ros.inference import DepthEstimator, Settings, devices
from drnet_ros.inference.engine import create_engine
from drnet_ros.inference.model_cache import cache_folder, model_key
from drnet_ros.network.metadata import read_metadata
from drnet_ros.weights import resolve_weights


def _settings(weights: str, **values: object) -> Settings:
    return Settings.from_mapping({'weights': weights, 'engine': 'openvino', **values})


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
    monkeypatch.setattr('drnet_ros.inference.engine.has_cuda', lambda: cuda)
    path = Path(weights)
    engine = create_engine(_settings(weights, **values), path, read_metadata(path))
    assert engine.name == expected
    engine.close()


def test_a_machine_without_driver_has_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, '_driver_device_count', lambda: 0)
    assert not devices.has_cuda()
    assert devices.usable_cores() >= 1


def test_cached_models_are_named_by_all_that_goes_into_them(weights: str, tmp_path: Path) -> None:
    path = Path(weights)
    metadata = read_metadata(path)
    key = model_key(path, metadata, (96, 128))
    copy = tmp_path / 'renamed.safetensors'
    copy.write_bytes(path.read_bytes())
    assert model_key(copy, metadata, (96, 128)) == key
    assert model_key(path, metadata, (128, 96)) != key
    copy.write_bytes(path.read_bytes() + b'x')
    assert model_key(copy, metadata, (96, 128)) != key


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
    fallback = cache_folder()
    assert fallback.is_dir()
    assert 'cannot write' in caplog.text
    fallback.rmdir()
