"""Errors by range of true depth against numbers made by hand."""

import math

import numpy as np
import pytest

from drnet_offline.evaluation.protocols import PROTOCOLS
from drnet_offline.evaluation.ranges import RangeMetrics


def test_each_range_has_its_own_errors() -> None:
    metrics = RangeMetrics(PROTOCOLS['full'])
    truth = np.full((40, 30), 1.0, np.float32)
    truth[10:30] = 2.0
    truth[30:] = np.nan
    estimate = np.where(truth < 1.5, 1.5, 2.2).astype(np.float32)
    metrics.update(estimate, truth)
    metrics.update(np.where(truth < 1.5, 1.1, 2.0).astype(np.float32), truth)
    figures = metrics.compute()
    assert list(figures) == ['near', 'room']
    assert figures['near'] == pytest.approx(
        {'rel': 0.3, 'delta1': 0.5, 'ratio': 1.3, 'n_images': 2}
    )
    assert figures['room'] == pytest.approx(
        {'rel': 0.05, 'delta1': 1.0, 'ratio': 1.05, 'n_images': 2}
    )


def test_the_estimate_is_not_clamped_to_the_range() -> None:
    metrics = RangeMetrics(PROTOCOLS['full'])
    truth = np.full((20, 20), 1.4, np.float32)
    metrics.update(2 * truth, truth)
    assert metrics.compute()['near']['rel'] == pytest.approx(1.0)


def test_a_few_pixels_are_no_range() -> None:
    metrics = RangeMetrics(PROTOCOLS['full'])
    truth = np.full((20, 20), 2.0, np.float32)
    truth[0, :] = 8.0
    metrics.update(truth, truth)
    assert list(metrics.compute()) == ['room']
    assert math.isclose(metrics.compute()['room']['ratio'], 1.0)
