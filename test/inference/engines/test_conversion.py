"""What a conversion that cannot be done says; and weights that are replaced meanwhile."""

from __future__ import annotations

import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drnet_ros.errors import EngineError, WeightsError
from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.inference.engines.factory import create_engine
from drnet_ros.inference.engines.openvino_cache import converted_model
from drnet_ros.inference.engines.openvino_convert import main
from drnet_ros.network.checkpoint import load_network, save_network
from drnet_ros.network.metadata import read_metadata

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ('modules', 'missing'),
    [([], 'timm'), (['network.checkpoint', 'inference.engines.openvino_trace'], 'safetensors')],
)
def test_a_missing_library_is_one_line_that_names_it(
    weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], modules: list[str], missing: str,
) -> None:  # fmt: skip
    for module in modules:  # imported before, by other tests
        monkeypatch.delitem(sys.modules, f'drnet_ros.{module}', raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    assert main([weights, '64', '64', str(tmp_path)]) == 1
    line = capsys.readouterr().err
    assert line.count('\n') == 1
    assert line.startswith(f'{missing} must be installed to convert random.safetensors for a size')
    assert f'pip install {missing}, or run python -m drnet_ros.inference.engines.' in line


@pytest.mark.parametrize(
    ('number', 'message'),
    [
        (signal.SIGKILL, 'killed by SIGKILL (out of memory?); free memory, or lower input_size'),
        (signal.SIGSEGV, 'killed by SIGSEGV'),
        (signal.SIGRTMIN + 3, f'killed by signal {signal.SIGRTMIN + 3}'),
    ],
)
def test_a_conversion_that_is_killed_says_so(
    weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    path = Path(weights)
    metadata = read_metadata(path)
    python = tmp_path / 'python'
    python.write_text(f'#!/bin/sh\necho a warning >&2\nkill -{int(number)} $$\n', encoding='utf-8')
    python.chmod(0o755)
    monkeypatch.setattr(sys, 'executable', str(python))
    with pytest.raises(EngineError) as failure:
        converted_model(path, metadata, (64, 64), tmp_path)
    assert str(failure.value) == f'converting {path.name} must finish, got: {message}'
    assert list(tmp_path.iterdir()) == [python]


def test_a_model_of_weights_that_were_replaced_meanwhile_is_not_kept(
    weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be taken for a model of the old ones ever after."""
    path = Path(shutil.copy(weights, tmp_path / 'mine.safetensors'))
    python = tmp_path / 'python'
    program = 'for folder; do :; done\necho > "$folder/model.xml"\necho >> "$3"\n'
    python.write_text(f'#!/bin/sh\n{program}', encoding='utf-8')
    python.chmod(0o755)
    monkeypatch.setattr(sys, 'executable', str(python))
    cache = tmp_path / 'cache'
    cache.mkdir()
    message = rf'{path} must stay as it is while it is converted, got another file .*: start again'
    with pytest.raises(EngineError, match=message):
        converted_model(path, read_metadata(path), (64, 64), cache)
    assert list(cache.iterdir()) == []


def test_weights_that_were_replaced_serve_no_other_image_size(
    weights: str, guided_weights: str, tmp_path: Path
) -> None:
    """Frames of one size would be of the old weights and those of another of the new ones."""
    path = Path(shutil.copy(weights, tmp_path / 'mine.safetensors'))
    settings = Settings(weights=str(path), engine='openvino', precision='fp32')
    with DepthEstimator(settings) as estimator:
        image = np.full((96, 128, 3), 90, np.uint8)
        before = estimator.estimate(image).depth_hw
        shutil.copy(guided_weights, path)
        np.testing.assert_array_equal(estimator.estimate(image).depth_hw, before)
        message = rf'{path} must be as it was at the start .*got another file .*: start again'
        with pytest.raises(EngineError, match=message):
            estimator.estimate(np.full((128, 96, 3), 90, np.uint8))
        path.unlink()
        with pytest.raises(EngineError, match=rf'{path} must stay where it is .*No such file'):
            estimator.estimate(np.full((64, 192, 3), 90, np.uint8))


def test_weights_that_were_replaced_while_pytorch_was_imported_are_refused(weights: str) -> None:
    path = Path(weights)
    earlier = replace(read_metadata(path), licence='that of the file before')
    with pytest.raises(WeightsError, match=rf'{path} must stay as it is while it is read'):
        create_engine(Settings(weights=weights, engine='torch', device='cpu'), path, earlier)


def test_a_metric_that_is_nan_is_no_other_file(weights: str, tmp_path: Path) -> None:
    network, metadata = load_network(Path(weights))
    path = tmp_path / 'unscored.safetensors'
    save_network(path, network, replace(metadata, metrics={'rel': float('nan')}))
    settings = Settings(weights=str(path), engine='torch', device='cpu')
    engine = create_engine(settings, path, read_metadata(path))
    assert engine.precision == 'fp32'
    engine.close()
