"""Compressed depth and preview on a live graph: values, topics, and nothing without a listener."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from known_depth import depth_of
from node_graph import Graph, NodeFactory, header, ramp, rgb_image
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from drnet_ros.inference.arrays import FloatArray
from drnet_ros.inference.depth import colourise
from drnet_ros.inference.images.encoding import encode_compressed_depth


def png_of(message: CompressedImage) -> NDArray[np.generic]:
    data = np.frombuffer(message.data, np.uint8)[12:]
    stored = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert stored is not None
    return stored


def with_gap() -> NDArray[np.uint8]:
    image = ramp()
    image[3, 5, 0] = 255
    return image


def test_compressed_depth_in_metres(graph: Graph, start_node: NodeFactory) -> None:
    start_node()
    found = graph.collect(CompressedImage, 'depth/image_rect/compressedDepth')
    graph.publisher(Image, 'image').publish(rgb_image(with_gap(), header(3, 4, 'optical')))
    message = found.wait_for(1)[0]
    assert message.header == header(3, 4, 'optical')
    assert message.format == '32FC1; compressedDepth png'
    _, a, b = struct.unpack('iff', bytes(message.data[:12]))
    stored = png_of(message).astype(np.float64)
    depth = np.where(stored > 0, a / (np.maximum(stored, 1) - b), np.nan)
    np.testing.assert_allclose(depth, depth_of(with_gap()), rtol=1e-3)
    assert np.isnan(depth[3, 5])


def test_compressed_depth_in_millimetres(graph: Graph, start_node: NodeFactory) -> None:
    start_node(depth_encoding='16UC1')
    found = graph.collect(CompressedImage, 'depth/image_rect/compressedDepth')
    graph.publisher(Image, 'image').publish(rgb_image(with_gap()))
    message = found.wait_for(1)[0]
    assert message.format == '16UC1; compressedDepth png'
    depth = png_of(message)
    assert (depth[3, 5], depth[0, 10], depth[0, 0]) == (0, 1100, 1000)


def test_compressed_preview(graph: Graph, start_node: NodeFactory) -> None:
    start_node()
    found = graph.collect(CompressedImage, 'depth/preview/compressed')
    graph.publisher(Image, 'image').publish(rgb_image(ramp(), header(3)))
    message = found.wait_for(1)[0]
    assert (message.format, message.header) == ('rgb8; jpeg compressed bgr8', header(3))
    bgr = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    expected = colourise(depth_of(ramp()), 0.1, 10.0).astype(int)
    assert np.abs(bgr[..., ::-1] - expected).mean() < 3


def test_they_follow_the_remapping_of_their_image(graph: Graph, start_node: NodeFactory) -> None:
    remaps = ('-r', 'depth/image_rect:=/other/depth', '-r', 'depth/preview/compressed:=/seen')
    start_node(arguments=remaps)
    depths = graph.collect(CompressedImage, '/other/depth/compressedDepth')
    pictures = graph.collect(CompressedImage, '/seen')
    graph.publisher(Image, 'image').publish(rgb_image(ramp()))
    assert depths.wait_for(1)[0].format.startswith('32FC1')
    assert pictures.wait_for(1)[0].format.startswith('rgb8')


@pytest.mark.parametrize('lazy', [True, False])
def test_nothing_is_encoded_for_nobody(
    graph: Graph, start_node: NodeFactory, monkeypatch: pytest.MonkeyPatch, *, lazy: bool
) -> None:
    encoded: list[str] = []

    def counting(depth_hw: FloatArray, encoding: str, max_depth: float) -> tuple[str, bytes]:
        encoded.append(encoding)
        return encode_compressed_depth(depth_hw, encoding, max_depth)

    monkeypatch.setattr('drnet_ros.node.derived_outputs.encode_compressed_depth', counting)
    start_node(lazy=lazy)
    depths = graph.collect(Image, 'depth/image_rect')
    images = graph.publisher(Image, 'image')
    images.publish(rgb_image(ramp(), header(1)))
    depths.wait_for_stamp(header(1))
    assert encoded == []
    compressed = graph.collect(CompressedImage, 'depth/image_rect/compressedDepth')
    sent = iter(range(2, 1000))
    graph.repeat_until(
        lambda: images.publish(rgb_image(ramp(), header(next(sent)))),
        lambda: compressed.messages,
        'compressed depth',
    )
    assert set(encoded) == {'32FC1'}
