"""Files of image_transport: read back by decoders written from its source, not by ours alone."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from drnet_ros.inference.images.codec import decode_compressed_depth, decode_compressed_image
from drnet_ros.inference.images.encoding import encode_compressed_depth, encode_compressed_image


def slope(max_depth: float = 10.0) -> NDArray[np.float32]:
    """Depth from 0.1 m to the greatest, with gaps."""
    depth = np.geomspace(0.1, max_depth, 48 * 64).astype(np.float32).reshape(48, 64)
    depth[5, 3:9] = np.nan
    return depth


def as_subscriber_decodes(kind: str, data: bytes) -> NDArray[np.float32]:
    """`decodeCompressedDepthImage` of compressed_depth_image_transport at 7404d77, by pixel."""
    encoding, _, ending = kind.partition(';')
    assert 'compressedDepth png' in ending
    _, a, b = struct.unpack('iff', data[:12])
    stored = cv2.imdecode(np.frombuffer(data[12:], np.uint8), cv2.IMREAD_UNCHANGED)
    assert stored is not None
    assert stored.dtype == np.uint16
    if encoding == '16UC1':
        return stored.astype(np.float32)
    assert encoding == '32FC1'
    a, b = np.float32(a), np.float32(b)
    decoded = [a / (np.float32(i) - b) if i else np.nan for i in stored.ravel()]
    return np.array(decoded, np.float32).reshape(stored.shape)


@pytest.mark.parametrize('max_depth', [1.0, 10.0, 80.0])
def test_quantised_32fc1_is_within_half_a_step(max_depth: float) -> None:
    depth = slope(max_depth)
    kind, data = encode_compressed_depth(depth, '32FC1', max_depth)
    assert kind == '32FC1; compressedDepth png'
    assert struct.unpack('iff', data[:12]) == pytest.approx((0, 10100, 1 - 10100 / max_depth))
    decoded = as_subscriber_decodes(kind, data)
    is_too_near = depth < 10100 / (65535.5 - (1 - 10100 / max_depth))
    np.testing.assert_array_equal(np.isnan(decoded), np.isnan(depth) | is_too_near)
    is_stored = ~np.isnan(decoded)
    error = np.abs(decoded - depth)[is_stored]
    assert (error <= 0.505 * depth[is_stored] ** 2 / 10100 + 1e-6).all()
    np.testing.assert_array_equal(decode_compressed_depth(format=kind, data=data), decoded)


def test_16uc1_loses_nothing() -> None:
    depth = slope()
    kind, data = encode_compressed_depth(depth, '16UC1', 10.0)
    assert kind == '16UC1; compressedDepth png'
    expected = np.where(np.isnan(depth), 0, np.floor(np.nan_to_num(depth) * 1000 + 0.5))
    np.testing.assert_array_equal(as_subscriber_decodes(kind, data), expected)
    metres = decode_compressed_depth(format=kind, data=data)
    np.testing.assert_array_equal(np.isnan(metres), np.isnan(depth))


def test_the_picture_keeps_its_colours() -> None:
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[:, :32] = 250, 20, 40
    rgb[:, 32:] = 10, 30, 200
    kind, data = encode_compressed_image(rgb)
    assert kind == 'rgb8; jpeg compressed bgr8'
    assert data[:2] == b'\xff\xd8'
    # OpenCV gives a JPEG as BGR; compressed_image_transport swaps it back, since 'bgr8' was said.
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    inside = np.r_[:30, 34:64]  # JPEG stores one colour for two pixels
    expected = rgb[:, inside].astype(int)
    np.testing.assert_allclose(bgr[:, inside, ::-1].astype(int), expected, atol=3)
    ours = decode_compressed_image(data, kind)
    np.testing.assert_allclose(ours[:, inside].astype(int), expected, atol=3)
