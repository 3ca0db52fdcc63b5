"""What of different cameras or nodes comes together on one topic, which no message shows."""

from __future__ import annotations

import pytest
from node_graph import Graph, NodeFactory, camera_info, header, ramp, rgb_image, values_of
from sensor_msgs.msg import CameraInfo, Image

from drnet_ros.node.input_check import InputCheck


def test_two_cameras_on_one_topic_are_a_warning(graph: Graph, start_node: NodeFactory) -> None:
    start_node()
    arrays = graph.diagnostics()
    depths = graph.collect(Image, 'depth/image_rect')
    one, other = graph.publisher(Image, 'image'), graph.publisher(Image, 'image')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())

    def message() -> str:
        return values_of(arrays.messages[-1], 'depth_node: camera')['message']

    one.publish(rgb_image(ramp(), header(1)))
    depths.wait_for_stamp(header(1))
    text = '/image has 2 publishers: images of different cameras mix; stop all but one'
    graph.wait(lambda: bool(arrays.messages) and text in message(), 'the warning')
    graph.node.destroy_publisher(other)
    graph.wait(lambda: text not in message(), 'no warning')


def test_another_node_on_the_topic_of_depth_is_a_warning(
    graph: Graph, start_node: NodeFactory
) -> None:
    start_node()
    arrays = graph.diagnostics()
    depths = graph.collect(Image, 'depth/image_rect')
    other = graph.publisher(Image, 'depth/image_rect')
    graph.publisher(CameraInfo, 'camera_info').publish(camera_info())
    graph.publisher(Image, 'image').publish(rgb_image(ramp(), header(1)))
    depths.wait_for_stamp(header(1))

    def message() -> str:
        return values_of(arrays.messages[-1], 'depth_node: camera')['message']

    text = '/depth/image_rect has 2 publishers: depth of different nodes mixes; give each node'
    graph.wait(lambda: bool(arrays.messages) and text in message(), 'the warning')
    graph.node.destroy_publisher(other)
    graph.wait(lambda: text not in message(), 'no warning')


def test_camera_info_of_another_frame_is_a_warning(graph: Graph, start_node: NodeFactory) -> None:
    start_node()
    arrays = graph.diagnostics()
    graph.collect(Image, 'depth/image_rect')
    info = camera_info()
    info.header.frame_id = 'rear'
    graph.publisher(CameraInfo, 'camera_info').publish(info)
    publisher = graph.publisher(Image, 'image')
    image = rgb_image(ramp(), header(1))
    image.header.frame_id = 'front'
    text = "camera_info is of the frame 'rear', images of 'front'"
    graph.repeat_until(
        lambda: publisher.publish(image),
        lambda: (
            bool(arrays.messages)
            and text in values_of(arrays.messages[-1], 'depth_node: camera')['message']
        ),
        'the warning',
    )


@pytest.mark.parametrize(
    ('image', 'info', 'is_said'),
    [('a', 'b', True), ('a', '/a', False), ('', 'b', False), ('a', '', False)],
)
def test_frames_that_are_unset_or_have_a_slash_say_nothing(
    image: str, info: str, *, is_said: bool
) -> None:
    check = InputCheck()
    received = camera_info()
    received.header.frame_id = info
    check.look_at_camera_info(image, (48, 64), received, None)
    assert ('frames' in check.problems()) is is_said
