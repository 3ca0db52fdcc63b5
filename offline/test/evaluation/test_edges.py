"""Depth edges against steps whose place is known."""

import numpy as np
import pytest

from drnet_offline.evaluation.edges import EdgeMetrics, find_edges


def step(column: int, near: float = 2.0, far: float = 3.0) -> np.ndarray:
    """Return a depth map with one step from near to far at a column."""
    depth = np.full((60, 80), near, np.float32)
    depth[:, column:] = far
    return depth


def score(estimate: np.ndarray, truth: np.ndarray) -> dict[str, float | None]:
    metrics = EdgeMetrics()
    metrics.update(estimate, truth)
    return metrics.compute()


def test_an_edge_is_where_depth_jumps_and_one_pixel_wide() -> None:
    edges = find_edges(step(40))
    rows, columns = np.nonzero(edges[5:-5])
    assert set(columns) <= {39, 40}
    assert np.bincount(rows).tolist() == [1] * 50


def test_slopes_have_no_edges() -> None:
    slope = np.linspace(2.0, 3.5, 80, dtype=np.float32)[None].repeat(60, 0)
    assert not find_edges(slope).any()


def test_the_factor_counts_and_not_the_distance() -> None:
    assert np.array_equal(find_edges(step(40)), find_edges(10 * step(40)))


@pytest.mark.parametrize('shift', [0, 3, 7])
def test_a_step_that_is_off_is_off_by_so_many_pixels(shift: int) -> None:
    found = score(step(40 + shift), step(40))
    assert found['edge_accuracy_px'] == pytest.approx(shift, abs=0.2)
    assert found['edge_completeness_px'] == pytest.approx(shift, abs=0.2)


def test_an_edge_too_far_away_is_missing_and_not_misplaced() -> None:
    found = score(step(60), step(40))
    assert found == {
        'edge_accuracy_px': None, 'edge_completeness_px': 10.0, 'edge_images': 1.0
    }  # fmt: skip


def test_depth_without_edges_is_ten_pixels_incomplete() -> None:
    flat = np.full((60, 80), 2.0, np.float32)
    assert score(flat, step(40))['edge_completeness_px'] == 10.0


def test_holes_of_the_truth_are_no_edges() -> None:
    truth = step(40)
    truth[20:40, 10:20] = np.nan
    truth[20:40, 60:70] = 0
    assert score(step(40), truth)['edge_completeness_px'] == 0.0
    flat = np.full((60, 80), 2.0, np.float32)
    flat[20:40, 10:20] = np.nan
    assert score(step(40), flat)['edge_images'] == 0


def test_images_are_averaged() -> None:
    metrics = EdgeMetrics()
    for shift in (0, 4):
        metrics.update(step(40 + shift), step(40))
    figures = metrics.compute()
    assert figures['edge_completeness_px'] == pytest.approx(2.0, abs=0.1)
    assert figures['edge_images'] == 2
