"""Which topics of a recording belong together: image, its CameraInfo, and its depth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from posixpath import commonprefix, dirname

from drnet_ros.errors import RecordingError, known_names
from drnet_ros.recordings.recording import RecordedTopic

__all__ = ['TopicChoice', 'base_topic', 'choose_topics', 'may_be_depth']

IMAGE_TYPE = 'sensor_msgs/msg/Image'
COMPRESSED_TYPE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO_TYPE = 'sensor_msgs/msg/CameraInfo'

# The best first: raw, without loss, perhaps JPEG.
_TRANSPORTS = ('', '/compressedDepth', '/compressed')
_DEPTH_WORDS = ('depth', 'disparity')
_NO_DEPTH_WORDS = ('infra', '/ir', 'mask', 'segment', 'semantic', 'label', 'preview')
# Images that are no photographs, or not of the color camera.
_OTHER_WORDS = (*_DEPTH_WORDS, *_NO_DEPTH_WORDS)
_GOOD_IMAGE_WORDS = ('color', 'rgb', 'left', 'image_raw', 'image_rect')
_GOOD_DEPTH_WORDS = ('registered', 'aligned', 'rect')


@dataclass(frozen=True, slots=True)
class TopicChoice:
    """Topics that belong together.

    Attributes:
        image: Topic of the images, raw or compressed.
        camera_info: Topic of their CameraInfo, or None if there is none.
        depth: Topic of depth registered to the images, raw or compressed, or None.
        is_depth_wanted: Whether depth is None only since none was found.
    """

    image: str
    camera_info: str | None
    depth: str | None
    is_depth_wanted: bool = True

    def without_depth(self) -> TopicChoice:
        """Return the same topics, of which depth is not wanted."""
        return replace(self, depth=None, is_depth_wanted=False)


def base_topic(name: str) -> str:
    """Return an image topic without the suffix of its transport.

    Args:
        name: Name such as '/camera/image_raw/compressed'.

    Returns:
        The name of the raw topic, such as '/camera/image_raw'.
    """
    for suffix in _TRANSPORTS[1:]:
        if name.endswith(suffix):
            return name[: -len(suffix)]
    return name


def may_be_depth(topic: RecordedTopic) -> bool:
    """Return whether a topic has images, and no name of another kind of them."""
    is_image = topic.msgtype in {IMAGE_TYPE, COMPRESSED_TYPE} and topic.count > 0
    return is_image and not _has(topic.name, _NO_DEPTH_WORDS)


def choose_topics(
    topics: Mapping[str, RecordedTopic],
    *,
    image: str | None = None,
    camera_info: str | None = None,
    depth: str | None = None,
) -> TopicChoice:
    """Choose image, CameraInfo and depth by type and name; what is given is kept.

    Args:
        topics: The topics of the recording.
        image: Image topic, if known.
        camera_info: CameraInfo topic, if known.
        depth: Depth topic, if known.

    Returns:
        The choice.

    Raises:
        RecordingError: If a given topic is not there, or there is no image topic.
    """
    for given, types in (
        (image, (IMAGE_TYPE, COMPRESSED_TYPE)),
        (camera_info, (CAMERA_INFO_TYPE,)),
        (depth, (IMAGE_TYPE, COMPRESSED_TYPE)),
    ):
        if given is not None:
            _require(topics, given, types)
    if image is not None and image == depth:
        msg = f'image and depth must be different topics, got {image} for both'
        raise RecordingError(msg)
    filled = [topic for topic in topics.values() if topic.count]
    others = [topic for topic in filled if topic.name != depth]
    chosen = image or _best_image(others)
    return TopicChoice(
        chosen, camera_info or _camera_info_of(chosen, filled), depth or _depth_of(chosen, filled)
    )


def _require(topics: Mapping[str, RecordedTopic], name: str, types: Sequence[str]) -> None:
    if name not in topics:
        usable = sorted(topic.name for topic in topics.values() if topic.msgtype in types)
        msg = f'topic {name} must be in the recording; {known_names(name, usable)}'
        raise RecordingError(msg)


def _best_image(topics: Iterable[RecordedTopic]) -> str:
    candidates = [
        topic
        for topic in topics
        if topic.msgtype in {IMAGE_TYPE, COMPRESSED_TYPE} and not _has(topic.name, _OTHER_WORDS)
    ]
    if not candidates:
        msg = (
            f'a recording must have an image topic, got only '
            f'{", ".join(sorted(topic.name for topic in topics)) or "empty ones"}; '
            'name it if it is there'
        )
        raise RecordingError(msg)
    return min(
        candidates,
        key=lambda topic: (
            not _has(topic.name, _GOOD_IMAGE_WORDS),
            -topic.count,
            topic.msgtype != IMAGE_TYPE,
            topic.name,
        ),
    ).name


def _camera_info_of(image: str, topics: Iterable[RecordedTopic]) -> str | None:
    names = [topic.name for topic in topics if topic.msgtype == CAMERA_INFO_TYPE]
    sibling = f'{dirname(base_topic(image))}/camera_info'
    if sibling in names:
        return sibling
    near = [name for name in names if not _has(name, _OTHER_WORDS)] or names
    return _nearest(image, near)


def _depth_of(image: str, topics: Iterable[RecordedTopic]) -> str | None:
    names = [
        topic.name
        for topic in topics
        if _has(topic.name, ('depth',))
        and base_topic(topic.name) != base_topic(image)
        and (
            topic.msgtype == IMAGE_TYPE
            or (topic.msgtype == COMPRESSED_TYPE and topic.name.endswith(_TRANSPORTS[1:]))
        )
    ]
    good = [name for name in names if _has(name, _GOOD_DEPTH_WORDS)]
    return _nearest(image, good or names)


def _nearest(image: str, names: Iterable[str]) -> str | None:
    """Return the name that shares the longest start with the image topic.

    Of one topic in several transports it is the one that loses least: raw, compressedDepth, then
    compressed, which may be JPEG.
    """
    return min(
        names,
        key=lambda name: (
            -len(commonprefix([image, base_topic(name)])),
            _TRANSPORTS.index(name[len(base_topic(name)) :]),
            name,
        ),
        default=None,
    )


def _has(name: str, words: Iterable[str]) -> bool:
    return any(word in name.lower() for word in words)
