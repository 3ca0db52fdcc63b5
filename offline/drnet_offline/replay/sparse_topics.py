"""Which topics of a recording the sources of sparse depth and the transforms are on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from posixpath import dirname

from drnet_ros.errors import RecordingError, known_names
from drnet_ros.recordings.recording import RecordedTopic
from drnet_ros.recordings.topics import CAMERA_INFO_TYPE, IMAGE_TYPE, TopicChoice

__all__ = ['SOURCE_TYPES', 'SparseTopics', 'choose_sparse_topics']

SOURCE_TYPES: Mapping[str, tuple[str, ...]] = {
    'scan': ('sensor_msgs/msg/LaserScan',),
    'range': ('sensor_msgs/msg/Range',),
    'points': ('sensor_msgs/msg/PointCloud2', 'sensor_msgs/msg/PointCloud'),
    'depth': (IMAGE_TYPE,),
    'odometry': ('nav_msgs/msg/Odometry',),
    'camera_info': (CAMERA_INFO_TYPE,),
}
"""Types that messages of each source may have, and the CameraInfo of the source 'depth'."""

_TRANSFORMS_TYPE = 'tf2_msgs/msg/TFMessage'
# How the topics of the node end; of several topics of a type, this is the one.
_ENDINGS = {
    'scan': '/scan',
    'range': '/range',
    'points': '/sparse_points',
    'depth': '/sparse_depth/image',
    'odometry': '/odom',
}


@dataclass(frozen=True, slots=True)
class SparseTopics:
    """Topics that sparse depth is made of.

    Attributes:
        by_source: The topic of each source, and of 'camera_info' for that of the source 'depth'.
        transforms: Topics of transforms, such as '/tf' and '/tf_static'.
    """

    by_source: Mapping[str, str] = field(default_factory=dict)
    transforms: tuple[str, ...] = ()

    @property
    def static_transforms(self) -> tuple[str, ...]:
        """Those topics of transforms that hold for ever, such as '/tf_static'."""
        return tuple(topic for topic in self.transforms if topic.endswith('tf_static'))

    @property
    def all(self) -> tuple[str, ...]:
        """All these topics; none if there is no source."""
        return (*self.by_source.values(), *self.transforms)


def choose_sparse_topics(
    topics: Mapping[str, RecordedTopic],
    names: Sequence[str],
    choice: TopicChoice,
    given: Mapping[str, str],
    *,
    tf_may_be_odometry: bool = False,
) -> SparseTopics:
    """Choose the topics of sources by type; what is given is kept.

    Args:
        topics: The topics of the recording.
        names: The sources that are set.
        choice: Images and depth of the recording, which are no source.
        given: Topics by the names of `SOURCE_TYPES`, if known.
        tf_may_be_odometry: Whether the source 'odometry' may do without a topic of its own where
            transforms are recorded, as in the node.

    Returns:
        The choice.

    Raises:
        RecordingError: If a source has no topic, several, or one that is not usable.
    """
    if not names:
        return SparseTopics()
    for name, topic in given.items():
        _check(topics, name, topic, choice)
    transforms = tuple(
        sorted(topic.name for topic in topics.values() if topic.msgtype == _TRANSFORMS_TYPE)
    )
    if tf_may_be_odometry and transforms and not given.get('odometry'):
        is_recorded = any(each.msgtype in SOURCE_TYPES['odometry'] for each in topics.values())
        names = [name for name in names if name != 'odometry' or is_recorded]
    by_source = {name: given.get(name) or _found(topics, name, choice) for name in names}
    if 'depth' in by_source:
        info = given.get('camera_info') or f'{dirname(by_source["depth"])}/camera_info'
        _check(topics, 'camera_info', info, choice)
        by_source['camera_info'] = info
    return SparseTopics(by_source, transforms)


def _check(
    topics: Mapping[str, RecordedTopic], name: str, topic: str, choice: TopicChoice
) -> None:
    wanted = SOURCE_TYPES[name]
    if topic not in topics:
        usable = sorted(each.name for each in topics.values() if each.msgtype in wanted)
        msg = (
            f'{name} must be on a topic of type {_types_of(name)}, got no such topic for {topic}; '
            f'{known_names(topic, usable)} (--source-topic {name}=TOPIC)'
        )
        raise RecordingError(msg)
    if (found := topics[topic].msgtype) not in wanted:
        msg = (
            f'{name} must be on a topic of type {_types_of(name)}, got {found} for {topic}; '
            f'name it by --source-topic {name}=TOPIC'
        )
        raise RecordingError(msg)
    if topic == choice.depth:
        msg = (
            f'{name} must be another topic than the depth that errors are measured against, got '
            f'{topic} for both; give --depth-topic'
        )
        raise RecordingError(msg)


def _types_of(name: str) -> str:
    return ' or '.join(SOURCE_TYPES[name])


def _found(topics: Mapping[str, RecordedTopic], name: str, choice: TopicChoice) -> str:
    usable = [
        topic
        for topic in topics.values()
        if topic.count
        and topic.name not in {choice.image, choice.depth}
        and (name != 'depth' or 'depth' in topic.name)
        and not _is_estimate(topic.name, topics)
    ]
    candidates: list[str] = []
    for kind in SOURCE_TYPES[name]:  # the first goes first, as in the node
        candidates = candidates or [topic.name for topic in usable if topic.msgtype == kind]
    named = [topic for topic in candidates if topic.endswith(_ENDINGS[name])]
    chosen = named if len(named) == 1 else candidates
    if len(chosen) != 1:
        msg = (
            f'the source {name} must have one topic of type {_types_of(name)}, got '
            f'{", ".join(sorted(candidates)) or "none"}; leave the source out or give '
            f'--source-topic {name}=TOPIC'
        )
        raise RecordingError(msg)
    return chosen[0]


def _is_estimate(topic: str, topics: Mapping[str, RecordedTopic]) -> bool:
    """Whether a topic is one that `drnet bag --write` or the node has written."""
    if topic.endswith('/depth/image_rect'):
        return topic.removesuffix('depth/image_rect') + 'points' in topics
    return topic.endswith('/points') and f'{dirname(topic)}/depth/image_rect' in topics
