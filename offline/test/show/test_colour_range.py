"""The range of the colours on the page of `drnet show`."""

from __future__ import annotations

import pytest

from drnet_offline.show.colour_range import ColourRange

FRAME_NS = 33_333_333  # of 30 images each second


def test_the_first_image_has_its_own_range() -> None:
    assert ColourRange().update((1.0, 4.0), 5) == (1.0, 4.0)


def test_a_video_takes_a_fifth_of_a_second() -> None:
    colours = ColourRange()
    colours.update((1.0, 4.0), 0)
    # 1 - exp(-1 / 6) = 0.1535
    assert colours.update((2.0, 2.0), FRAME_NS) == pytest.approx((1.1535, 3.6930), abs=1e-4)
    for number in range(2, 7):
        after_fifth = colours.update((2.0, 2.0), number * FRAME_NS)
    # 1 - exp(-1) = 0.6321
    assert after_fifth == pytest.approx((1.6321, 2.7358), abs=1e-4)


def test_photos_of_two_seconds_each_have_their_own_ranges() -> None:
    colours = ColourRange()
    colours.update((1.0, 4.0), 0)
    assert colours.update((0.5, 9.0), 2_000_000_000) == pytest.approx((0.5, 9.0), abs=1e-3)


@pytest.mark.parametrize('stamp_ns', [FRAME_NS, 0])
def test_an_image_that_is_shown_again_has_its_own_range(stamp_ns: int) -> None:
    colours = ColourRange()
    colours.update((1.0, 4.0), 0)
    colours.update((1.0, 4.0), FRAME_NS)
    assert colours.update((2.0, 8.0), stamp_ns) == (2.0, 8.0)
