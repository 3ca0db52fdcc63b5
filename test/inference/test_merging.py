"""Clouds of several cameras as one: which belong together, and where their points are."""

from __future__ import annotations

import numpy as np

from drnet_ros.inference.postprocess.merging import StampMatcher, points_in_frame


def test_items_of_about_the_same_time_match_in_the_order_of_the_streams() -> None:
    matcher: StampMatcher[str] = StampMatcher(['front', 'rear', 'left'])
    assert matcher.add('rear', 100, 'r', 10) == []
    assert matcher.add('left', 104, 'l', 10) == []
    assert matcher.add('front', 109, 'f', 10) == [(109, 'f'), (100, 'r'), (104, 'l')]


def test_the_earliest_and_the_latest_count() -> None:
    matcher: StampMatcher[str] = StampMatcher(['front', 'rear', 'left'])
    matcher.add('rear', 100, 'r', 10)
    matcher.add('front', 106, 'f', 10)
    assert matcher.add('left', 111, 'l', 10) == []


def test_each_item_is_used_once() -> None:
    matcher: StampMatcher[str] = StampMatcher(['front', 'rear'])
    matcher.add('front', 100, 'f', 10)
    assert matcher.add('rear', 101, 'r', 10)
    assert matcher.add('rear', 105, 'again', 10) == []
    assert matcher.newest_ns() == {'front': None, 'rear': 105}


def test_a_camera_that_is_computed_later_finds_the_one_that_belongs_to_it() -> None:
    matcher: StampMatcher[str] = StampMatcher(['front', 'rear'])
    for stamp in (100, 133, 166):
        assert matcher.add('front', stamp, f'f{stamp}', 10) == []
    assert matcher.add('rear', 135, 'r135', 10) == [(133, 'f133'), (135, 'r135')]
    # What was before the match is forgotten.
    assert matcher.add('rear', 101, 'r101', 10) == []
    assert matcher.add('rear', 168, 'r168', 10) == [(166, 'f166'), (168, 'r168')]


def test_only_the_newest_wait() -> None:
    matcher: StampMatcher[str] = StampMatcher(['front', 'rear'])
    for stamp in (100, 200, 300, 400):
        matcher.add('front', stamp, 'f', 10)
    assert matcher.add('rear', 100, 'r', 10) == []
    assert matcher.add('rear', 200, 'r', 10) == [(200, 'f'), (200, 'r')]


def test_stamps_that_go_back_begin_anew() -> None:
    matcher: StampMatcher[str] = StampMatcher(['front', 'rear'])
    matcher.add('front', 1000, 'old', 10)
    matcher.add('front', 5, 'new', 10)
    assert matcher.add('rear', 1000, 'r', 10) == []
    assert matcher.add('rear', 5, 'r', 10) == [(5, 'new'), (5, 'r')]


def test_points_are_moved_and_invalid_ones_left_out() -> None:
    """The optical frame of a camera at (1, 2, 3) that looks along x."""
    pose = np.array([[0, 0, 1, 1], [-1, 0, 0, 2], [0, -1, 0, 3], [0, 0, 0, 1.0]])
    cloud = np.array([[[0.5, -0.25, 4, 7], [np.nan, np.nan, np.nan, 8]]], np.float32)
    before = cloud.copy()
    found = points_in_frame(cloud, pose)
    np.testing.assert_array_equal(found, np.array([[[5, 1.5, 3.25, 7]]], np.float32))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(cloud, before)
    assert points_in_frame(cloud[..., :3], pose).shape == (1, 1, 3)
