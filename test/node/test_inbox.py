"""The place where frames wait: newest wins, also while one is held back."""

from __future__ import annotations

from node_graph import header, ramp, rgb_image

from drnet_ros.node.inbox import Inbox, WaitingImage


def _put(inbox: Inbox, sec: int, prefix: str = '') -> bool:
    return inbox.put(prefix, rgb_image(ramp(), header(sec)))


def _seconds(images: list[WaitingImage]) -> list[int]:
    return [image.message.header.stamp.sec for image in images]


def test_newest_image_of_each_camera_longest_waiting_first() -> None:
    inbox = Inbox()
    assert not _put(inbox, 1, 'a/')
    assert not _put(inbox, 2, 'b/')
    assert _put(inbox, 3, 'a/')
    assert _seconds(inbox.take(wait=True)) == [2, 3]
    assert inbox.take(wait=False) == []


def test_a_held_image_waits_for_its_release_and_gives_way_to_newer_ones() -> None:
    inbox = Inbox()
    _put(inbox, 1)
    (image,) = inbox.take(wait=True)
    assert not inbox.hold(image)
    assert inbox.take(wait=False) == []
    assert _put(inbox, 2)
    assert inbox.take(wait=False) == []
    inbox.release('')
    assert _seconds(inbox.take(wait=True)) == [2]
    inbox.release('')
    assert inbox.take(wait=False) == []


def test_an_image_that_came_before_the_hold_is_newer_too() -> None:
    inbox = Inbox()
    _put(inbox, 1)
    (image,) = inbox.take(wait=True)
    _put(inbox, 2)
    assert inbox.hold(image)
    assert inbox.take(wait=False) == []
    inbox.release('')
    assert _seconds(inbox.take(wait=True)) == [2]


def test_nothing_is_left_after_closing() -> None:
    inbox = Inbox()
    _put(inbox, 1)
    inbox.hold(inbox.take(wait=True)[0])
    inbox.close()
    inbox.release('')
    assert inbox.take(wait=True) == []
