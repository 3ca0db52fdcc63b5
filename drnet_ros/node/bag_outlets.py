"""Where the topics of a recording go: publishers, and what is decoded on the way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from rclpy.logging import get_logger
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image

from drnet_ros.errors import ImageError, one_line
from drnet_ros.inference.images.codec import (
    decode_compressed_depth,
    decode_compressed_gray16,
    decode_compressed_image,
)
from drnet_ros.inference.images.compressed_format import read_format
from drnet_ros.node.messages import depth_message, image_message
from drnet_ros.node.qos_overrides import named_overrides
from drnet_ros.node.remappings import without_effect
from drnet_ros.node.ros_errors import ARGUMENT_ERRORS, ros_error_text
from drnet_ros.recordings.topics import COMPRESSED_TYPE, IMAGE_TYPE, base_topic

if TYPE_CHECKING:
    from rclpy.node import Node
    from rclpy.publisher import Publisher

    from drnet_ros.recordings.recording import RecordedMessage, RecordedTopic

__all__ = ['Outlet', 'create_outlets', 'warn_of_unused']

_QUEUE_DEPTH = 5
# Each static transform counts, and late subscribers need all of them.
_LATCHED_QUEUE_DEPTH = 100
# Encodings whose samples compressed_image_transport keeps whole in a PNG.
_GRAY16_ENCODINGS = ('16UC1', 'mono16')

_Decoder: TypeAlias = Callable[[CompressedImage], Image]


@dataclass(slots=True, eq=False)
class Outlet:
    """Publishes the messages of one recorded topic.

    Attributes:
        publisher: Where they go.
        is_image: Whether they are images.
        decode: Makes the message to publish from the recorded one; None publishes its bytes as
            they are.
        left_out: How many messages could not be published.
    """

    publisher: Publisher[Any]
    is_image: bool
    decode: _Decoder | None = None
    left_out: int = 0
    _failures: set[str] = field(default_factory=set)

    @property
    def subscriber_count(self) -> int:
        """How many subscribers it has."""
        return int(self.publisher.get_subscription_count())

    def publish(self, message: RecordedMessage) -> bool:
        """Publish a message.

        Args:
            message: A message of the recorded topic.

        Returns:
            Whether it could be published; if not, that is counted, and logged once for each kind
            of defect.
        """
        if self.decode is None:
            self.publisher.publish(message.data)
            return True
        try:
            self.publisher.publish(self.decode(_deserialised(message)))
        except ImageError as error:
            self.left_out += 1
            if error.kind not in self._failures:
                self._failures.add(error.kind)
                get_logger('bag_publisher').warning(
                    f'{message.topic}: left out: {one_line(error)} (further ones of this kind are '
                    'counted but not logged)'
                )
            return False
        return True


def create_outlets(
    node: Node,
    topics: Mapping[str, RecordedTopic],
    *,
    chosen: Collection[str] = (),
    decompress: bool = False,
) -> dict[str, Outlet]:
    """Create a publisher for each topic whose message type is installed.

    Args:
        node: The node that publishes.
        topics: The topics of the recording.
        chosen: Names of those to publish; all if empty.
        decompress: Whether to publish compressed images as raw ones, on the topic without suffix.
            Of several that would be published there, the raw one goes first, then
            compressedDepth, then compressed; one without messages goes last.

    Returns:
        The outlets by recorded topic; a topic that cannot be published is left out and logged.

    Raises:
        SettingsError: If a QoS override is not allowed.
    """
    outlets: dict[str, Outlet] = {}
    sources: dict[str, str] = {}
    wanted = [topic for topic in topics.values() if not chosen or topic.name in chosen]
    for topic in sorted(wanted, key=_precedence):
        name, decode = _destination(topic) if decompress else (topic.name, None)
        message_class = Image if decode else _message_class(topic.msgtype)
        if message_class is None or name in sources:
            reason = (
                f'{name} is already published from {sources[name]}'
                if name in sources
                else f'{topic.msgtype} is not installed here'
            )
            node.get_logger().warning(f'leaving out {topic.name}: {reason}')
            continue
        try:
            publisher = _publisher(node, message_class, name, _profile(topic))
        except ARGUMENT_ERRORS as error:  # ROS 1 and other writers allow more names
            node.get_logger().warning(f'leaving out {topic.name!r}: {ros_error_text(error)}')
            continue
        sources[name] = topic.name
        is_image = topic.msgtype in {IMAGE_TYPE, COMPRESSED_TYPE}
        outlets[topic.name] = Outlet(publisher, is_image, decode)
    return outlets


def _precedence(topic: RecordedTopic) -> tuple[bool, bool, bool]:
    """Order topics by which of them may have a name that several would be published on.

    compressed_image_transport loses bits of depth, or publishes nothing that can be read.
    """
    is_raw = base_topic(topic.name) == topic.name
    return topic.count == 0, not is_raw, not topic.name.endswith('Depth')


def _destination(topic: RecordedTopic) -> tuple[str, _Decoder | None]:
    """Return where decompressed messages of a topic go, and what decompresses them if need be."""
    name = base_topic(topic.name)
    if topic.msgtype != COMPRESSED_TYPE or name == topic.name:
        return topic.name, None
    return name, _decode_depth if topic.name.endswith('Depth') else _decode_image


def _deserialised(message: RecordedMessage) -> CompressedImage:
    try:
        return deserialize_message(message.data, CompressedImage)
    # Errors of the middleware, with a class for each of them; whichever: it is not one.
    except Exception as error:
        msg = (
            f'a recorded message must be a {message.msgtype}, got {len(message.data)} bytes that '
            f'are none: {error}'
        )
        raise ImageError(msg, kind='not_deserialised') from error


def _decode_image(message: CompressedImage) -> Image:
    described = read_format(message.format)
    if described.is_compressed_depth:
        return _decode_depth(message)
    # A JPEG has only 8 bits left of them.
    if described.encoding in _GRAY16_ENCODINGS and described.codec != 'jpeg':
        gray = decode_compressed_gray16(message.data)
        return image_message(gray, message.header, described.encoding)
    rgb_hwc = decode_compressed_image(message.data, message.format)
    return image_message(rgb_hwc, message.header, 'rgb8')


def _decode_depth(message: CompressedImage) -> Image:
    depth_hw = decode_compressed_depth(format=message.format, data=message.data)
    is_millimetres = read_format(message.format).encoding in _GRAY16_ENCODINGS
    return depth_message(depth_hw, message.header, '16UC1' if is_millimetres else '32FC1')


def warn_of_unused(node: Node, arguments: Sequence[str], names: Sequence[str]) -> None:
    """Point out parameters and remappings without effect; call it once all outlets are there.

    Args:
        node: The node that publishes.
        arguments: The arguments of ROS.
        names: Names of all topics that it may publish, before remapping.
    """
    for line in without_effect(arguments, names, node):
        node.get_logger().warning(line)
    known = [f'qos_overrides.{name}' for name in node.get_parameters_by_prefix('qos_overrides')]
    for name in sorted(node._parameter_overrides):  # noqa: SLF001 - rclpy offers no public way
        if not node.has_parameter(name):
            near = get_close_matches(name, known, n=1)
            advice = f'did you mean {near[0]}?' if near else 'bag_publisher has options, see -h'
            node.get_logger().warning(f'parameter {name!r} has no effect: {advice}')


def _publisher(node: Node, message_class: Any, name: str, profile: QoSProfile) -> Publisher[Any]:
    policies = (
        QoSPolicyKind.HISTORY,
        QoSPolicyKind.DEPTH,
        QoSPolicyKind.RELIABILITY,
        QoSPolicyKind.DURABILITY,
    )
    with named_overrides(node.resolve_topic_name(name), 'publisher'):
        return node.create_publisher(
            message_class, name, profile, qos_overriding_options=QoSOverridingOptions(policies)
        )


def _message_class(msgtype: str) -> Any:
    """Return the class of a type such as 'tf2_msgs/msg/TFMessage', None if it is not installed."""
    package, _, name = msgtype.partition('/msg/')
    try:
        return getattr(import_module(f'{package}.msg'), name, None)
    except (ImportError, TypeError, ValueError):  # the last two of names that are none
        return None


def _profile(topic: RecordedTopic) -> QoSProfile:
    is_latched = topic.is_latched or topic.name.endswith('/tf_static')
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=_LATCHED_QUEUE_DEPTH if is_latched else _QUEUE_DEPTH,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if is_latched else DurabilityPolicy.VOLATILE,
    )
