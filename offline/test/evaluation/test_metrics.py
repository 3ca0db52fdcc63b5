"""Metrics and protocols against plain numpy, by hand, and over two processes."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import distributed

from drnet_offline.errors import OfflineError
from drnet_offline.evaluation.figures import NAMES, compute_errors
from drnet_offline.evaluation.metrics import DepthMetrics
from drnet_offline.evaluation.protocols import PROTOCOLS

Depth = NDArray[np.float32]


def make_images(count: int, size: tuple[int, int] = (48, 64)) -> list[tuple[Depth, Depth]]:
    """Pairs of prediction and truth in metres; each image has its own share of holes."""
    pairs = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        truth = rng.uniform(0.5, 9.0, size).astype(np.float32)
        prediction = (truth * rng.uniform(0.6, 1.7, size)).astype(np.float32)
        truth[rng.random(size) < 0.1 * seed] = np.nan
        truth[rng.random(size) < 0.1] = 0.0
        pairs.append((prediction, truth))
    return pairs


def reference(prediction: NDArray[np.float64], truth: NDArray[np.float64]) -> dict[str, float]:
    """The figures of one set of pixels, by their definitions."""
    ratio = np.maximum(prediction / truth, truth / prediction)
    return {
        'rmse': math.sqrt(np.mean((prediction - truth) ** 2)),
        'rel': float(np.mean(abs(prediction - truth) / truth)),
        'log10': float(np.mean(abs(np.log10(prediction) - np.log10(truth)))),
        'delta1': float(np.mean(ratio < 1.25)),
        'delta2': float(np.mean(ratio < 1.25**2)),
        'delta3': float(np.mean(ratio < 1.25**3)),
    }


def test_sums_by_hand() -> None:
    # d/g = 1.2, 1/2 and 10: within 1.25, beyond 1.25^3, beyond.
    prediction = np.array([1.2, 1.0, 10.0], np.float32)
    truth = np.array([1.0, 2.0, 1.0], np.float32)
    sums = compute_errors(prediction, truth)
    expected = [0.04 + 1 + 81, 0.2 + 0.5 + 9, math.log10(1.2) + math.log10(2) + 1, 1, 1, 1, 3]
    np.testing.assert_allclose(sums, expected, rtol=1e-6)


def test_thresholds_are_open() -> None:
    sums = compute_errors(np.array([1.25, 1.5625], np.float32), np.ones(2, np.float32))
    np.testing.assert_array_equal(sums[3:], [0, 1, 2, 2])


@pytest.mark.parametrize('bad', [math.nan, math.inf, 0.0, -1.0])
def test_a_prediction_with_holes_is_refused(bad: float) -> None:
    with pytest.raises(OfflineError, match='dense'):
        compute_errors(np.array([1.0, bad], np.float32), np.ones(2, np.float32))


def test_per_image_and_pooled_are_numpys() -> None:
    pairs = make_images(4)
    metrics = DepthMetrics(PROTOCOLS['full'])
    for prediction, truth in pairs:
        metrics.update(prediction, truth)
    figures = metrics.compute()
    kept = [(p[t > 0].astype(float), t[t > 0].astype(float)) for p, t in pairs]
    pooled = reference(*(np.concatenate(side) for side in zip(*kept, strict=True)))
    images = [reference(p, t) for p, t in kept]
    for name in NAMES:
        assert figures[name] == pytest.approx(pooled[name], rel=1e-9)
        mean = np.mean([image[name] for image in images])
        assert figures[f'{name}_per_image'] == pytest.approx(mean, rel=1e-9)
    assert figures['rmse'] != pytest.approx(figures['rmse_per_image'], rel=1e-4)
    assert figures['n_images'] == 4
    assert figures['n_pixels'] == sum(len(p) for p, _ in kept)


def test_an_image_without_depth_is_not_counted() -> None:
    metrics = DepthMetrics(PROTOCOLS['full'])
    metrics.update(np.ones((4, 4), np.float32), np.full((4, 4), np.nan, np.float32))
    metrics.update(np.full((4, 4), 2.0, np.float32), np.ones((4, 4), np.float32))
    assert metrics.compute()['n_images'] == 1
    assert metrics.compute()['rmse_per_image'] == pytest.approx(1.0)


def score_share(rank: int, folder: Path) -> None:
    """Score every other image as one of two processes."""
    meeting = f'file://{folder / "meeting"}'
    distributed.init_process_group('gloo', meeting, rank=rank, world_size=2)
    metrics = DepthMetrics(PROTOCOLS['full'])
    for prediction, truth in make_images(5)[rank::2]:
        metrics.update(prediction, truth)
    (folder / f'{rank}.json').write_text(json.dumps(metrics.compute()))
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    # Not forked: by then this process may be full of threads of ROS and OpenVINO, and their locks.
    program = (
        'import pathlib, runpy, sys; '
        'share = runpy.run_path(sys.argv[1])["score_share"]; '
        'share(int(sys.argv[2]), pathlib.Path(sys.argv[3]))'
    )
    processes = [
        subprocess.Popen([sys.executable, '-c', program, __file__, str(rank), tmp_path])
        for rank in range(2)
    ]
    assert [process.wait() for process in processes] == [0, 0]
    found = [json.loads((tmp_path / f'{rank}.json').read_text()) for rank in range(2)]
    metrics = DepthMetrics(PROTOCOLS['full'])
    for prediction, truth in make_images(5):
        metrics.update(prediction, truth)
    assert found[0] == found[1] == pytest.approx(metrics.compute(), rel=1e-12)


def number_pixels(height: int, width: int) -> Depth:
    """A truth in which each pixel is known by its value, from 1 m up."""
    return (1 + np.arange(height * width, dtype=np.float32).reshape(height, width) / 1e5) * 1.0


def test_full_takes_every_valid_pixel_without_a_cap() -> None:
    truth = np.array([[0.0, np.nan, 0.5], [80.0, 2.0, -1.0]], np.float32)
    prediction = np.array([[1.0, 1.0, 1e-9], [200.0, 3.0, 1.0]], np.float32)
    d, g = PROTOCOLS['full'].select(prediction, truth)
    np.testing.assert_allclose(g, [0.5, 80.0, 2.0])
    np.testing.assert_allclose(d, [1e-3, 200.0, 3.0])


def test_eigen_takes_exactly_its_crop() -> None:
    truth = number_pixels(480, 640)
    d, g = PROTOCOLS['eigen'].select(truth, truth)
    np.testing.assert_array_equal(g, truth[45:471, 41:601].ravel())
    np.testing.assert_array_equal(d, g)
    assert g.size == 426 * 560


def test_eigen_leaves_out_truth_beyond_10_m_and_clamps_the_prediction() -> None:
    truth = np.full((480, 640), 2.0, np.float32)
    truth[100, 100], truth[100, 101], truth[100, 102] = 10.0, 9.99, 12.0
    prediction = np.full((480, 640), 50.0, np.float32)
    d, g = PROTOCOLS['eigen'].select(prediction, truth)
    assert g.size == 426 * 560 - 2
    assert g.max() == np.float32(9.99)
    assert (d == 10).all()


def test_rside_is_the_centre_at_half_size() -> None:
    truth = number_pixels(480, 640)
    _, g = PROTOCOLS['rside'].select(truth, truth)
    half = truth.reshape(240, 2, 320, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(g, half[6:234, 8:312].ravel(), rtol=1e-6)
    assert g.size == 228 * 304


def test_rside_has_no_cap_and_no_half_valid_pixels() -> None:
    truth = np.full((480, 640), 30.0, np.float32)
    truth[100, 100] = 0.0  # a quarter of one pixel at half size
    d, g = PROTOCOLS['rside'].select(np.full((480, 640), 40.0, np.float32), truth)
    assert g.size == 228 * 304 - 1
    assert (g == 30).all()
    assert (d == 40).all()


@pytest.mark.parametrize('name', ['eigen', 'rside'])
def test_crops_follow_the_size(name: str) -> None:
    _, at_480 = PROTOCOLS[name].select(*2 * [np.ones((480, 640), np.float32)])
    _, at_960 = PROTOCOLS[name].select(*2 * [np.ones((960, 1280), np.float32)])
    assert at_960.size == 4 * at_480.size


def test_sizes_must_match() -> None:
    with pytest.raises(OfflineError, match=r'\(4, 4\).*\(4, 5\)'):
        PROTOCOLS['full'].select(np.ones((4, 4), np.float32), np.ones((4, 5), np.float32))


def test_protocols_say_what_they_do() -> None:
    words = [protocol.describe() for protocol in PROTOCOLS.values()]
    assert words == [
        'full (no crop, no cap)',
        'eigen (rows 45:471, columns 41:601, 0.001..10 m)',
        'rside (rows 12:468, columns 16:624, no cap, at half size)',
    ]
