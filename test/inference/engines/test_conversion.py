"""What a conversion that cannot be done says: one line, and what to do."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from drnet_ros.errors import EngineError
from drnet_ros.inference.engines.openvino_cache import converted_model
from drnet_ros.inference.engines.openvino_convert import main
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
    assert f'pip install {missing}, or start once where it is installed' in line


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
