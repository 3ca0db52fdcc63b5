"""Fills a buffer of transforms from /tf and /tf_static."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drnet_ros.inference.sparse_depth.sources.extrinsics import add_extrinsics
from drnet_ros.inference.sparse_depth.sources.transforms import TransformBuffer
from drnet_ros.messages.sparse_reading import add_transforms
from drnet_ros.node.subscriptions import MatchingSubscription

if TYPE_CHECKING:
    from rclpy.node import Node

    from drnet_ros.inference import Settings

__all__ = ['TransformListener']

# As many as tf2_ros keeps: many nodes publish on these topics.
_QUEUE_DEPTH = 100


class TransformListener:
    """Subscribes to /tf and /tf_static where tf2_msgs is installed.

    The messages go into a buffer of ours and not into that of tf2_ros, so that a recording gives
    the same transforms, and no more than the message package is needed.

    Attributes:
        transforms: What is known of the frames.
    """

    def __init__(self, node: Node, settings: Settings) -> None:
        """Subscribe.

        Args:
            node: The node that subscribes.
            settings: `sparse_depth_extrinsics` go into the buffer.

        Raises:
            SettingsError: If a QoS override is not allowed.
        """
        message_type = _tf_message()
        missing = '; tf is not read, since tf2_msgs is not installed (it comes with ROS from apt)'
        self.transforms = TransformBuffer('' if message_type else missing)
        add_extrinsics(settings.sparse_depth_extrinsics, self.transforms)
        self._node = node
        self._said: set[str] = set()
        self._subscriptions: list[MatchingSubscription] = []
        if message_type is None:
            return
        for topic, receive in (('/tf', self._receive), ('/tf_static', self._receive_static)):
            self._subscriptions.append(
                MatchingSubscription(
                    node, (message_type,), topic, receive, takes_latched=True, depth=_QUEUE_DEPTH
                )
            )

    def refresh(self) -> None:
        """Choose the QoS of subscriptions anew if publishers changed."""
        for subscription in self._subscriptions:
            subscription.refresh()

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            subscription.close()
        self._subscriptions = []

    def _receive(self, message: Any) -> None:
        self._warn(add_transforms(message, self.transforms, is_static=False))

    def _receive_static(self, message: Any) -> None:
        self._warn(add_transforms(message, self.transforms, is_static=True))

    def _warn(self, problems: list[str]) -> None:
        """Log the first transform that is not usable."""
        if problems and not self._said:
            self._said.update(problems)
            self._node.get_logger().warning(
                f'left out a transform, {problems[0]} (further ones are not logged)'
            )


def _tf_message() -> type[Any] | None:
    try:
        from tf2_msgs.msg import TFMessage  # noqa: PLC0415 - not there with rclpy from PyPI
    except ImportError:
        return None
    message_type: type[Any] = TFMessage
    return message_type
