"""rtabmap, nvblox and ORB-SLAM3: each test subscribes as its consumer does and decides as it does.

None of them has a wheel, so their rules are written down here, each with its public source.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from consumer_scene import (
    RMW_DEFAULT,
    SYSTEM_DEFAULT,
    TEN_SYSTEM_DEFAULT,
    Stream,
    expected_depth,
    listen,
    rows_of,
)
from known_depth import KnownEngine
from message_sync import ApproximateTime, ExactTime
from node_graph import Graph, NodeFactory, camera_info, ramp
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

pytestmark = pytest.mark.slow

RTABMAP_COLORS = {
    '8UC1', 'mono8', 'mono16', 'bgr8', 'rgb8', 'bgra8', 'rgba8', 'bayer_grbg8', 'bayer_rggb8',
}  # fmt: skip
RTABMAP_DEPTHS = {'16UC1', '32FC1', 'mono16'}


class Rtabmap:
    """`rtabmap` and `rgbd_odometry` as rtabmap.launch.py starts them: exact sync, 10 deep.

    Source: introlab/rtabmap_ros at aec4f91. rtabmap_launch/launch/rtabmap.launch.py: approx_sync
    false, topic_queue_size and sync_queue_size 10, qos 0 (system default).
    rtabmap_sync/src/impl/CommonDataSubscriberDepth.cpp, setupDepthCallbacks: topics and QoS.
    rtabmap_conversions/src/MsgConversion.cpp, convertRGBDMsgs: sizes must divide alike, encodings
    are checked, the frame is that of the color image and the stamp that of the depth image;
    cameraModelFromROS takes K, D, R, P and the size as they are.
    """

    def __init__(self, graph: Graph) -> None:
        self.frames: list[tuple[Image, Image, CameraInfo]] = []
        sync = ExactTime(3, 10, self._receive)
        profile = TEN_SYSTEM_DEFAULT
        graph.node.create_subscription(Image, 'image', sync.callback(0), profile)
        listen(graph, Image, 'depth/image_rect', profile, sync.callback(1))
        listen(graph, CameraInfo, 'depth/camera_info', profile, sync.callback(2))

    def _receive(self, color: Image, depth: Image, info: CameraInfo) -> None:
        assert color.encoding in RTABMAP_COLORS
        assert depth.encoding in RTABMAP_DEPTHS
        assert color.width // depth.width == color.height // depth.height
        assert color.header.frame_id
        self.frames.append((color, depth, info))


def test_rtabmap_gets_every_depth_image_with_its_picture_though_frames_are_dropped(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    """Its exact synchroniser needs equal stamps of image, depth and info; see `Rtabmap`."""
    node = start_node()
    rtabmap = Rtabmap(graph)
    stream = Stream(graph, node)
    published = []
    for _ in range(4):
        published += stream.burst(engine, 6)
        graph.wait_for_value(lambda: len(rtabmap.frames), len(published), 'synchronised frames')
    for stamp, (color, depth, info) in zip(published, rtabmap.frames, strict=True):
        assert color.header == depth.header == info.header == stamp
        assert (depth.height, depth.width) == (info.height, info.width) == (48, 64)
        np.testing.assert_array_equal(rows_of(depth), expected_depth())
        assert list(info.k) == list(camera_info().k)


@pytest.mark.parametrize('output_size', [[24, 32], [12, 16]])
def test_rtabmap_accepts_smaller_depth_as_it_divides_alike(
    graph: Graph, start_node: NodeFactory, output_size: list[int]
) -> None:
    """`convertRGBDMsgs` asserts imageWidth / depthWidth == imageHeight / depthHeight."""
    node = start_node(output_size=output_size, depth_encoding='16UC1')
    rtabmap = Rtabmap(graph)
    Stream(graph, node).publish()
    graph.wait(lambda: rtabmap.frames, 'synchronised frames')
    color, depth, info = rtabmap.frames[0]
    assert color.width // depth.width == color.height // depth.height == 48 // output_size[0]
    assert (info.height, info.width) == tuple(output_size)


class Nvblox:
    """`nvblox_node` with use_depth: exact sync of depth and its info, 10 deep.

    Source: NVIDIA-ISAAC-ROS/isaac_ros_nvblox at 319438a. nvblox_ros/src/lib/nvblox_node.cpp,
    subscribeToTopics: `camera_0/depth/image` and `camera_0/depth/camera_info` with input_qos
    SYSTEM_DEFAULT through image_exact_sync(10); processDepthImage looks the transform up at stamp
    and frame_id of the depth image.
    nvblox_ros/src/lib/conversions/image_conversions.cpp: cameraFromMessage takes K, width and
    height and neither D, ROI nor binning; depth is 32FC1 in metres, 16UC1 or mono16 in
    millimetres; `step` is not read, so rows must be tight.
    nvblox/include/nvblox/interpolation/internal/impl/interpolation_2d_impl.h
    (nvidia-isaac/nvblox): depth counts where it is greater than 1e-6, which NaN and 0 are not.
    """

    def __init__(self, graph: Graph) -> None:
        self.frames: list[tuple[Image, CameraInfo]] = []
        sync = ExactTime(2, 10, lambda *messages: self.frames.append(messages))
        listen(graph, Image, 'depth/image_rect', SYSTEM_DEFAULT, sync.callback(0))
        listen(graph, CameraInfo, 'depth/camera_info', SYSTEM_DEFAULT, sync.callback(1))

    @staticmethod
    def metres(depth: Image) -> Any:
        """Return depth and where it counts, without looking at `step`."""
        if depth.encoding == '32FC1':
            values = np.frombuffer(depth.data, np.float32)
        else:
            assert depth.encoding in {'16UC1', 'mono16'}
            values = np.frombuffer(depth.data, np.uint16) * np.float32(1 / 1000)
        metres = values.reshape(depth.height, depth.width)
        return metres, metres > 1e-6


@pytest.mark.parametrize('encoding', ['32FC1', '16UC1'])
@pytest.mark.parametrize('output_size', [[0, 0], [24, 32]])
def test_nvblox_gets_depth_with_its_camera(
    graph: Graph, start_node: NodeFactory, encoding: str, output_size: list[int]
) -> None:
    """It pairs depth and info of one stamp, and takes the camera from K and the size alone."""
    node = start_node(depth_encoding=encoding, output_size=output_size)
    nvblox = Nvblox(graph)
    pixels = ramp()
    pixels[4:8, 10:14, 0] = 255  # invalid
    stamp = Stream(graph, node).publish(pixels)
    graph.wait(lambda: nvblox.frames, 'depth with camera')
    depth, info = nvblox.frames[0]
    assert depth.header == info.header == stamp
    assert (info.height, info.width) == (depth.height, depth.width)
    metres, counts = nvblox.metres(depth)
    by = 2 if output_size[0] else 1
    # Half the size is the mean of two by two pixels; the hole has even borders.
    expected = expected_depth().reshape(48 // by, by, 64 // by, by).mean(axis=(1, 3))
    is_hole = pixels[::by, ::by, 0] == 255
    np.testing.assert_array_equal(counts, ~is_hole)
    np.testing.assert_allclose(metres[counts], expected[counts], atol=0.6e-3)
    fu, fv, cu, cv = info.k[0], info.k[4], info.k[2], info.k[5]
    assert (fu, fv) == (50 / by, 50 / by)
    assert (cu, cv) == ((31.5 + 0.5) / by - 0.5, (23.5 + 0.5) / by - 0.5)


def test_nvblox_gets_one_depth_image_after_the_other(
    graph: Graph, start_node: NodeFactory
) -> None:
    """SYSTEM_DEFAULT is KEEP_LAST 1 here: two at the same moment would be one too many for it."""
    node = start_node()
    nvblox = Nvblox(graph)
    stream = Stream(graph, node)
    for count in range(1, 6):
        stamp = stream.publish()
        graph.wait_for_value(lambda: len(nvblox.frames), count, 'depth with camera')
        depth, info = nvblox.frames[-1]
        assert depth.header == info.header == stamp


def test_nvblox_gets_a_camera_of_the_image_from_an_info_with_binning_and_roi(
    graph: Graph, start_node: NodeFactory
) -> None:
    """It knows neither, so it needs `output_size`: only then they are worked into K and size."""
    node = start_node(output_size=[24, 32])
    nvblox = Nvblox(graph)
    info = camera_info(640, 480)
    info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = 20, 40, 128, 96
    info.binning_x = info.binning_y = 2
    Stream(graph, node, info=info).publish()
    graph.wait(lambda: nvblox.frames, 'depth with camera')
    _, got = nvblox.frames[0]
    assert (got.height, got.width) == (24, 32)
    assert (got.binning_x, got.roi.width) == (0, 0)
    assert got.k[0] == pytest.approx(50 / 4)
    assert got.k[2] == pytest.approx((319.5 - 20 + 0.5) / 4 - 0.5)
    assert got.k[5] == pytest.approx((239.5 - 40 + 0.5) / 4 - 0.5)


class OrbSlam3:
    """The RGB-D node of the ROS 2 wrappers of ORB-SLAM3: approximate sync, 10 deep, reliable.

    Source: zang09/ORB_SLAM3_ROS2 at 00c5433, src/rgbd/rgbd-slam-node.cpp: message_filters
    subscribers with their default QoS (rmw_qos_profile_default: reliable, KEEP_LAST 10) and
    ApproximateTime(10); cv_bridge::toCvShare keeps the encoding.
    UZ-SLAMLab/ORB_SLAM3, src/Tracking.cc, GrabImageRGBD: depth becomes float by 1 /
    RGBD.DepthMapFactor unless it is CV_32F and the factor 1. src/Frame.cc, ComputeStereoFromRGBD:
    depth is read at the raw keypoint, its coordinates cut to integers, and counts where d > 0;
    UnprojectStereo puts it on the ray of the undistorted keypoint, as z.
    """

    def __init__(self, graph: Graph) -> None:
        self.frames: list[tuple[Image, Image]] = []
        sync = ApproximateTime(10, lambda *messages: self.frames.append(messages))
        graph.node.create_subscription(Image, 'image', sync.callback(0), RMW_DEFAULT)
        listen(graph, Image, 'depth/image_rect', RMW_DEFAULT, sync.callback(1))

    @staticmethod
    def point(depth: Image, factor: float, keypoint: tuple[float, float], info: CameraInfo) -> Any:
        """Return the point of a keypoint in the camera's frame, None without depth."""
        pixels = rows_of(depth)
        if abs(factor - 1) > 1e-5 or pixels.dtype != np.float32:
            pixels = pixels.astype(np.float32) / np.float32(factor)
        z = pixels[int(keypoint[1]), int(keypoint[0])]
        if not z > 0:
            return None
        k = np.array(info.k).reshape(3, 3)
        raw = np.array([[keypoint]], np.float64)
        u, v = cv2.undistortPoints(raw, k, np.array(info.d), P=k)[0, 0]
        return np.array([(u - k[0, 2]) * z / k[0, 0], (v - k[1, 2]) * z / k[1, 1], z])


@pytest.mark.parametrize(('encoding', 'factor'), [('32FC1', 1.0), ('16UC1', 1000.0)])
def test_orb_slam3_finds_our_points_at_raw_keypoints_of_a_distorted_camera(
    graph: Graph, start_node: NodeFactory, encoding: str, factor: float
) -> None:
    """What it makes of depth and its own calibration is where our cloud has the pixel."""
    node = start_node(depth_encoding=encoding)
    orb = OrbSlam3(graph)
    clouds = graph.collect(PointCloud2, 'points')
    info = camera_info()
    info.d = [0.2624, -0.9531, -0.0054, 0.0026, 1.1633]
    pixels = ramp()
    pixels[30, 40, 0] = 255
    stamp = Stream(graph, node, info=info).publish(pixels)
    cloud = np.frombuffer(clouds.wait_for_stamp(stamp).data, np.float32).reshape(48, 64, 4)
    graph.wait(lambda: orb.frames, 'an RGB-D pair')
    color, depth = orb.frames[0]
    assert color.header == depth.header == stamp
    for u, v in ((32, 24), (5, 4), (60, 40), (20, 44), (44, 10)):
        np.testing.assert_allclose(
            orb.point(depth, factor, (u, v), info), cloud[v, u, :3], atol=2e-4
        )
    assert orb.point(depth, factor, (40, 30), info) is None
    # A keypoint between pixels is given the depth of the one it lies in.
    assert orb.point(depth, factor, (20.9, 10.7), info)[2] == pytest.approx(1.2)


def test_orb_slam3_pairs_each_depth_image_with_its_own_picture(
    graph: Graph, start_node: NodeFactory, engine: KnownEngine
) -> None:
    """More pictures than depth images: the approximate policy must not pair neighbours."""
    node = start_node()
    orb = OrbSlam3(graph)
    stream = Stream(graph, node)
    published = []
    for _ in range(4):
        published += stream.burst(engine, 5)
        graph.wait_for_value(lambda: len(orb.frames), len(published), 'pairs')
    assert [depth.header for _, depth in orb.frames] == published
    assert [color.header for color, _ in orb.frames] == published
