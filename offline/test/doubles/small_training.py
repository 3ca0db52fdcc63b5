"""Presets of the small trainings that tests run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from drnet_offline.training.preset import TrainConfig
from drnet_offline.training.preset_reader import load_config

__all__ = ['configure']


def configure(preset: Path, data: Path, **overrides: Any) -> TrainConfig:
    """Read a preset for a data set, with entries that stand above it."""
    return load_config(str(preset), {'data.root': str(data), **overrides})
