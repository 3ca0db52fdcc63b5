"""Faults that `drnet adapt` meets: unreadable images, and the work of another run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from drnet_offline.datasets.opening import open_dataset
from drnet_offline.errors import OfflineError
from drnet_offline.training.adaptation.selection import survey_images
from drnet_offline.training.adaptation.sources import DatasetFrames
from drnet_offline.training.adaptation.state import State


def test_an_image_that_cannot_be_read_costs_itself_alone(
    tmp_path: Path, write_folder: Callable[..., Path]
) -> None:
    folder = write_folder(tmp_path / 'data', 3)
    broken = folder / 'rgb' / '00001.png'
    broken.write_bytes(broken.read_bytes()[:99])
    source = DatasetFrames('data', open_dataset(folder))
    survey = survey_images(source.images())
    np.testing.assert_array_equal(np.isnan(survey.sharpness), [False, True, False])
    assert [frame.position for frame in source.frames({0: -1, 1: -1, 2: 3})] == [0, 2]


def test_the_work_of_another_adaptation_is_not_deleted(tmp_path: Path) -> None:
    State(tmp_path / 'unfinished', {'steps': 1})
    assert not State(tmp_path / 'unfinished', {'steps': 2}).is_resumed  # nothing was done before
    (tmp_path / 'unfinished' / 'learned0').mkdir()
    with pytest.raises(OfflineError, match=r'interrupted run with other arguments'):
        State(tmp_path / 'unfinished', {'steps': 1})
    assert State(tmp_path / 'unfinished', {'steps': 2}).is_resumed
