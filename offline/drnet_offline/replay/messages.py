"""Depth frames as serialised ROS 2 messages, field for field what the node publishes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosbags.typesys import Stores, get_typestore

from drnet_ros.inference.postprocess.voxels import voxel_points
from drnet_ros.messages.building import camera_info_fields, depth_fields, points_fields

if TYPE_CHECKING:
    from drnet_offline.replay.frames import RecordedFrame
    from drnet_ros.inference import DepthFrame, Settings

__all__ = ['TYPES', 'TYPESTORE', 'depth_messages', 'header', 'serialize']

TYPESTORE = get_typestore(Stores.LATEST)
TYPES = {
    'depth/image_rect': 'sensor_msgs/msg/Image',
    'depth/camera_info': 'sensor_msgs/msg/CameraInfo',
    'points': 'sensor_msgs/msg/PointCloud2',
}
"""Types of the topics, by their names as the node has them."""


def depth_messages(
    frame: RecordedFrame, result: DepthFrame, settings: Settings
) -> dict[str, bytes]:
    """Serialise what the node would publish for a frame, by the topics of `TYPES`."""
    types = TYPESTORE.types
    fields = {'depth/image_rect': depth_fields(result.depth_hw, settings.depth_encoding)}
    if frame.info is not None and result.camera is not None and frame.rgb_hwc is not None:
        fields['depth/camera_info'] = camera_info_fields(
            frame.info,
            result.camera,
            image_hw=(frame.rgb_hwc.shape[0], frame.rgb_hwc.shape[1]),
            is_rectified=settings.image_is_rectified,
        )
    if result.points is not None:
        cloud = result.points
        if settings.point_voxel:
            cloud = voxel_points(cloud, settings.point_voxel)
        points = points_fields(cloud)
        point_field = types['sensor_msgs/msg/PointField']
        points['fields'] = [point_field(**field) for field in points['fields']]
        fields['points'] = points
    head = header(frame.header_stamp_ns, frame.frame_id)
    return {
        name: serialize(types[TYPES[name]](header=head, **values), TYPES[name])
        for name, values in fields.items()
    }


def header(stamp_ns: int, frame_id: str) -> Any:
    """Build a std_msgs/Header."""
    types = TYPESTORE.types
    stamp = types['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 1_000_000_000))
    return types['std_msgs/msg/Header'](stamp, frame_id)


def serialize(message: Any, msgtype: str) -> bytes:
    """Serialise a message of a type that comes with ROS 2."""
    return bytes(TYPESTORE.serialize_cdr(message, msgtype))
