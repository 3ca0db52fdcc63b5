"""The program `drnet`, run in the process of a test."""

from __future__ import annotations

import sys

import pytest

from drnet_offline.commands.cli import main


def exit_code(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Runs `drnet` with these words and returns its exit code."""
    monkeypatch.setattr(sys, 'argv', ['drnet', *map(str, words)])
    try:
        main()
    except SystemExit as stopped:
        code = stopped.code
        return code if isinstance(code, int) else int(code is not None)
    return 0
