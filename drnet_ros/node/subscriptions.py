"""Subscriptions that choose their QoS by what the publishers of the topic offer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

from drnet_ros.errors import SettingsError
from drnet_ros.node.lost_messages import LossCounter
from drnet_ros.node.qos_overrides import named_overrides
from drnet_ros.node.ros_versions import SubscriptionEventCallbacks, with_information

if TYPE_CHECKING:
    from rclpy.event_handler import QoSMessageLostInfo
    from rclpy.node import Node
    from rclpy.subscription import Subscription

__all__ = ['MatchingSubscription']

MessageT = TypeVar('MessageT')

_IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
# More are no help in one line.
_MOST_NAMES = 8
_RELIABILITIES = {
    'reliable': ReliabilityPolicy.RELIABLE,
    'best_effort': ReliabilityPolicy.BEST_EFFORT,
}
_DURABILITIES = {
    'volatile': DurabilityPolicy.VOLATILE,
    'transient_local': DurabilityPolicy.TRANSIENT_LOCAL,
}


class MatchingSubscription:
    """A KEEP_LAST subscription, made anew when another QoS or type suits the publishers better.

    Reliable where every publisher offers it: with large images a best-effort reader loses most of
    them on a bad transport. Best effort as soon as one publisher does not, since a reliable reader
    would get nothing from that one. `refresh` looks again; call it now and then.

    Attributes:
        received_count: Messages that came in.
        lost_count: Messages that were published and never came in.
    """

    def __init__(
        self,
        node: Node,
        message_types: Sequence[type[MessageT]],
        topic: str,
        callback: Callable[[MessageT], None],
        *,
        reliability: str = 'auto',
        takes_latched: bool = False,
        depth: int = 1,
        on_lost: Callable[[int], None] | None = None,
    ) -> None:
        """Subscribe.

        Args:
            node: The node that subscribes.
            message_types: Class of the messages; of several, the first that a publisher has.
            topic: Name of the topic, before remapping.
            callback: Called with each message in the executor's thread.
            reliability: 'auto', 'reliable' or 'best_effort'; the parameter
                `qos_overrides.<topic>.subscription.reliability` goes first.
            takes_latched: Whether to get the last message of publishers that all keep it for
                latecomers (transient local); the override parameter `durability` goes first.
            depth: Messages that wait for the executor, the newest ones.
            on_lost: Called with the number of messages that were published and never came.

        Raises:
            SettingsError: If a QoS override is not allowed.
        """
        self._node = node
        self._message_types = message_types
        self._message_type = message_types[0]
        self._topic = topic
        self._callback = callback
        self._takes_latched = takes_latched
        self._depth = depth
        self.resolved_topic = node.resolve_topic_name(topic)
        self.received_count = 0
        self.lost_count = 0
        self._on_lost = on_lost
        self._losses = LossCounter(self._count_lost)
        topic = self.resolved_topic
        self._reliability = _override(node, topic, 'reliability', reliability, _RELIABILITIES)
        self._durability = _override(node, topic, 'durability', 'auto', _DURABILITIES)
        self._chosen = self._choose()
        self._subscription: Subscription[Any] | None = self._subscribe()

    @property
    def publisher_count(self) -> int:
        """How many publishers the topic has, whether they match or not."""
        return self._node.count_publishers(self.resolved_topic)

    @property
    def other_types(self) -> tuple[str, ...]:
        """Types of the topic's publishers that differ from ours: 'sensor_msgs/msg/Image'."""
        infos = self._node.get_publishers_info_by_topic(self._topic)
        return tuple(sorted({info.topic_type for info in infos} - {_name_of(self._message_type)}))

    @property
    def type_problem(self) -> str:
        """What is there in place of our messages: '/a has std_msgs/msg/Empty, no Image', or ''."""
        types = self.other_types
        if self.received_count or not types:
            return ''
        own = ' and no '.join(each.__name__ for each in self._message_types)
        return f'{self.resolved_topic} has {", ".join(types)}, no {own}'

    def topics_of_images(self) -> tuple[str, ...]:
        """Return topics that others publish images on, if nobody publishes on this one."""
        if self.publisher_count:
            return ()
        own = self._node.get_name(), self._node.get_namespace()
        names = [
            name
            for name, types in self._node.get_topic_names_and_types()
            if types and types[0] in _IMAGE_TYPES
            for info in self._node.get_publishers_info_by_topic(name)[:1]
            if (info.node_name, info.node_namespace) != own
        ]
        return tuple(sorted(names)[:_MOST_NAMES])

    @property
    def reliability(self) -> str:
        """The reliability that is in use: 'reliable' or 'best_effort'."""
        return self._chosen[0].name.lower()

    def refresh(self) -> None:
        """Look at the publishers again, and subscribe anew if another QoS or type suits them."""
        chosen = self._choose()
        if self._subscription is None or chosen == self._chosen:
            return
        self._chosen = chosen
        self._node.destroy_subscription(self._subscription)
        self._subscription = self._subscribe()

    def close(self) -> None:
        """Unsubscribe for good."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _receive(self, message: Any, information: Mapping[str, Any]) -> None:
        self.received_count += 1
        self._losses.received(information)
        self._callback(message)

    def _count_lost(self, count: int) -> None:
        self.lost_count += count
        if self._on_lost:
            self._on_lost(count)

    def _lose(self, event: QoSMessageLostInfo) -> None:
        self._losses.reported(event.total_count_change)

    def _choose(self) -> tuple[ReliabilityPolicy, DurabilityPolicy, type[Any]]:
        publishers = self._node.get_publishers_info_by_topic(self._topic)
        self._losses.publishers_are(frozenset(bytes(info.endpoint_gid) for info in publishers))
        offers = [info.qos_profile for info in publishers]
        all_reliable = all(offer.reliability is ReliabilityPolicy.RELIABLE for offer in offers)
        is_latched = (
            self._takes_latched
            and bool(offers)
            and all(offer.durability is DurabilityPolicy.TRANSIENT_LOCAL for offer in offers)
        )
        reliability = ReliabilityPolicy.RELIABLE if all_reliable else ReliabilityPolicy.BEST_EFFORT
        durability = DurabilityPolicy.TRANSIENT_LOCAL if is_latched else DurabilityPolicy.VOLATILE
        return (
            _RELIABILITIES.get(self._reliability, reliability),
            _DURABILITIES.get(self._durability, durability),
            self._choose_type({info.topic_type for info in publishers}),
        )

    def _choose_type(self, offered: Collection[str]) -> type[Any]:
        """Return the type to subscribe with; a topic has one at a time."""
        there = (each for each in self._message_types if _name_of(each) in offered)
        return next(there, self._message_type)

    def _subscribe(self) -> Subscription[Any]:
        reliability, durability, self._message_type = self._chosen
        profile = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=self._depth,
            reliability=reliability,
            durability=durability,
        )
        with named_overrides(self.resolved_topic, 'subscription'):
            return self._node.create_subscription(
                self._message_type,
                self._topic,
                with_information(self._receive),
                profile,
                # A publisher that does not fit is a reason to choose anew, not to complain.
                event_callbacks=SubscriptionEventCallbacks(
                    incompatible_qos=lambda _event: self.refresh(),
                    message_lost=self._lose,
                    use_default_callbacks=False,
                ),
                qos_overriding_options=QoSOverridingOptions(
                    (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH)
                ),
            )


def _name_of(message_type: type[Any]) -> str:
    """Return the name of a type as the graph has it: 'sensor_msgs/msg/Image'."""
    package, _, _ = message_type.__module__.partition('.')
    return f'{package}/msg/{message_type.__name__}'


def _override(
    node: Node, resolved_topic: str, policy: str, default: str, choices: Collection[str]
) -> str:
    """Return what the override parameter of a policy says, or the default.

    rclpy would fix such a parameter when it first subscribes, at whatever was chosen then.
    """
    name = f'qos_overrides.{resolved_topic}.subscription.{policy}'
    allowed = f'auto, {" or ".join(choices)}'
    if not node.has_parameter(name):
        text = f'{policy} for subscription `{resolved_topic}`: {allowed}'
        node.declare_parameter(
            name,
            default,
            ParameterDescriptor(name=name, read_only=True, description=text, dynamic_typing=True),
        )
    value = node.get_parameter(name).value
    if value not in {'auto', *choices}:
        msg = f'{name} must be {allowed}, got {value!r}'
        raise SettingsError(msg)
    return str(value)
