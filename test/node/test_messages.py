"""Filling messages: values, and that no large array goes through Python objects."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from node_graph import camera_info, header
from sensor_msgs.msg import CameraInfo

from drnet_ros.messages.reading import camera_of
from drnet_ros.node.messages import (
    camera_info_message,
    depth_message,
    image_message,
    points_message,
)


def test_depth_message_holds_the_bytes_of_the_array() -> None:
    depth = np.array([[1.5, np.nan, 3.0], [0.25, 2.0, 10.0]], np.float32)
    message = depth_message(depth, header(), '32FC1')
    assert bytes(message.data) == depth.tobytes()
    assert message.data.typecode == 'B'
    millimetres = depth_message(depth, header(), '16UC1')
    assert (
        bytes(millimetres.data)
        == np.array([[1500, 0, 3000], [250, 2000, 10000]], np.uint16).tobytes()
    )


def test_strided_arrays_are_written_row_by_row() -> None:
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)[::2, ::3]
    message = image_message(pixels, header(), 'rgb8')
    assert (message.height, message.width, message.step) == (2, 2, 6)
    assert bytes(message.data) == pixels.tobytes()


def test_filling_takes_one_copy() -> None:
    points = np.ones((480, 640, 4), np.float32)
    tracemalloc.start()
    message = points_message(points, header())
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(message.data) == points.nbytes
    # A list of bytes, which the message would take as well, has 8 bytes for each.
    assert points.nbytes <= peak_bytes < 2 * points.nbytes


def test_camera_info_is_never_edited() -> None:
    received = camera_info(stamp=header(1, 1, 'a'))
    before = repr(received)
    camera = camera_of(received)
    for camera_out in (camera, camera.scaled_to(24, 32)):
        message = camera_info_message(received, camera_out, header(2, 2, 'b'), image_hw=(48, 64))
        assert message.header.frame_id == 'b'
        assert repr(received) == before


def test_unset_fields_of_camera_info_say_what_unset_means() -> None:
    received = camera_info(640, 480, focal=500.0)
    received.p, received.r, received.distortion_model, received.d = [0.0] * 12, [0.0] * 9, '', []
    before = repr(received)
    camera = camera_of(received)
    same = camera_info_message(received, camera, header(), image_hw=(480, 640))
    half = camera_info_message(received, camera.scaled_to(240, 320), header(), image_hw=(480, 640))
    assert list(same.p) == [500.0, 0, 319.5, 0, 0, 500.0, 239.5, 0, 0, 0, 1, 0]
    assert list(half.p) == [250.0, 0, 159.5, 0, 0, 250.0, 119.5, 0, 0, 0, 1, 0]
    for message in (same, half):
        assert list(message.r) == [1, 0, 0, 0, 1, 0, 0, 0, 1]
        assert (message.distortion_model, list(message.d)) == ('plumb_bob', [0.0] * 5)
    assert repr(received) == before


def test_region_of_interest_and_binning_stay_where_depth_has_the_size_of_the_image() -> None:
    received = camera_info(640, 480)
    received.roi.x_offset, received.roi.width, received.roi.height = 20, 128, 96
    received.binning_x = received.binning_y = 2
    camera = camera_of(received)
    assert (camera.height, camera.width) == (48, 64)
    same: CameraInfo = camera_info_message(received, camera, header(), image_hw=(48, 64))
    assert (same.width, same.binning_x, same.roi.x_offset) == (640, 2, 20)
    half: CameraInfo = camera_info_message(
        received, camera.scaled_to(24, 32), header(), image_hw=(48, 64)
    )
    assert (half.width, half.height, half.binning_x, half.roi.width) == (32, 24, 0, 0)
    assert half.k[0] == pytest.approx(50.0 / 4)
    assert half.k[2] == pytest.approx(((319.5 - 20) + 0.5) / 4 - 0.5)
