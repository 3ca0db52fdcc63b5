"""Publishers of what goes out: RELIABLE, VOLATILE, KEEP_LAST, so that everybody matches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

from drnet_ros.node.qos_overrides import named_overrides

if TYPE_CHECKING:
    from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
    from rclpy.node import Node

__all__ = ['create_output', 'has_subscribers', 'transport_topic']

_QUEUE_DEPTH = 5
_OVERRIDABLE = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)


def create_output(
    node: LifecycleNode, message_type: type[Any], topic: str
) -> LifecyclePublisher[Any]:
    """Create a publisher, which publishes while the node is active.

    Args:
        node: The node that publishes.
        message_type: What it publishes.
        topic: Its topic.

    Raises:
        SettingsError: If a QoS override is not allowed.
    """
    profile = QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=_QUEUE_DEPTH,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.VOLATILE,
    )
    overriding = QoSOverridingOptions(_OVERRIDABLE)
    with named_overrides(node.resolve_topic_name(topic), 'publisher'):
        return node.create_lifecycle_publisher(
            message_type, topic, profile, qos_overriding_options=overriding
        )


def has_subscribers(publisher: LifecyclePublisher[Any]) -> bool:
    """Whether anybody listens."""
    return bool(publisher.get_subscription_count())


def transport_topic(node: Node, image: str, transport: str) -> str:
    """Return the topic of an image's transport, as image_transport names it.

    Args:
        node: The node whose remappings hold.
        image: Topic of the raw image.
        transport: Name of the transport, such as 'compressed'.

    Returns:
        The topic below wherever `image` was remapped to, unless it is remapped itself.
    """
    own = f'{image}/{transport}'
    if node.resolve_topic_name(own) != node.resolve_topic_name(own, only_expand=True):
        return own
    return f'{node.resolve_topic_name(image)}/{transport}'
