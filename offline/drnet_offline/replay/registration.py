"""Whether recorded depth can be laid over the images: what sizes, frames and intrinsics say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from drnet_offline.replay.depth_topics import depth_hint
from drnet_ros.errors import CameraError
from drnet_ros.inference.images.doubts import stretch_doubt
from drnet_ros.messages.reading import NS_PER_S
from drnet_ros.recordings.topics import COMPRESSED_TYPE, IMAGE_TYPE, base_topic

if TYPE_CHECKING:
    from drnet_offline.replay.index import Index
    from drnet_ros.inference.arrays import FloatArray
    from drnet_ros.inference.camera import CameraModel
    from drnet_ros.recordings.topics import TopicChoice

__all__ = ['at_size', 'index_warnings', 'registration_warnings', 'topics_text']

_MOST_FOCAL_DIFFERENCE = 0.02
_MOST_CENTER_DIFFERENCE = 0.02
_ASPECT_TOLERANCE = 0.01
# Noise makes each picture of a camera another one; a slower camera may be recorded twice.
_LEAST_REPEATED = 10


def registration_warnings(
    index: Index, image_hw: tuple[int, int], depth_hw: tuple[int, int]
) -> list[str]:
    """Return what speaks against depth being registered to the images, in whole sentences.

    Args:
        index: The index of the recording.
        image_hw: Size of an image.
        depth_hw: Size of a depth image.
    """
    warnings = []
    images, depths = index.images.frame_ids, index.depths.frame_ids
    if images != depths:
        warnings.append(
            f'depth is of the frame {_names(depths)}, images of {_names(images)}: depth that is '
            "not registered to the images gives errors that are not the estimate's"
        )
    if not has_same_aspect(image_hw, depth_hw):
        warnings.append(
            f'depth is {depth_hw[1]} x {depth_hw[0]}, images are {image_hw[1]} x {image_hw[0]}: '
            'depth of another aspect ratio cannot be registered to them, and is not scored'
        )
        return warnings
    if image_hw != depth_hw:
        warnings.append(
            f'depth is {depth_hw[1]} x {depth_hw[0]}, images are {image_hw[1]} x {image_hw[0]}: '
            'taken for the same view at another size'
        )
    color = index.cameras.find(0)
    depth = index.depth_cameras.find(0)
    if color is not None and depth is not None:
        warnings += _intrinsics_warnings(color[1], depth[1], depth_hw)
    return warnings


def topics_text(choice: TopicChoice) -> str:
    """Return which topics are read: a recording may have those of other cameras too."""
    others = {'camera_info': choice.camera_info, 'depth': choice.depth}
    return ', '.join(
        [f'images: {choice.image}', *(f'{kind}: {name}' for kind, name in others.items() if name)]
    )


def index_warnings(index: Index) -> list[str]:
    """Return what is odd about cameras and stamps of a recording, in whole sentences."""
    warnings = []
    if index.choice.camera_info is None:
        warnings.append('there is no camera_info: depth is in the scale of the training camera')
    elif not index.cameras.messages:
        warnings.append('camera_info has no message: depth is in the scale of the training camera')
    if index.cameras.problem:
        warnings.append(index.cameras.problem)
    if index.cameras.is_by_order:
        warnings.append(
            f'camera_info on {index.choice.camera_info} changes, and its stamps are of another '
            'clock than those of the images, or do not rise: each image has the camera_info that '
            'was recorded beside it'
        )
    if text := depth_hint(index.recording, index.choice):
        warnings.append(text)
    warnings += _matrix_warnings(index)
    warnings += _frame_warnings(index)
    for name, topic in (('images', index.images), ('depth images', index.depths)):
        if topic.unstamped:
            warnings.append(
                f'{topic.unstamped} {name} have no stamp: the times of their recording are used'
            )
        if steps := topic.backward_steps:
            warnings.append(f'stamps of {name} do not rise at {steps} places')
    return warnings + _stopped_warnings(index)


def _stopped_warnings(index: Index) -> list[str]:
    """Return what to say of a camera that repeats one picture while the other goes on."""
    depth_by_image = index.pairs
    image_by_depth = {depth: image for image, depth in depth_by_image.items()}
    found = []
    for name, own, other, partners in (
        ('images', index.images, index.depths, depth_by_image),
        ('depth images', index.depths, index.images, image_by_depth),
    ):
        repeat = own.longest_repeat
        beside = {other.sums[partners[place]] for place in repeat if place in partners}
        if len(repeat) >= _LEAST_REPEATED and len(beside) > len(repeat) / 2:
            begun_s = (own.stamps_ns[repeat[0]] - own.stamps_ns[0]) / NS_PER_S
            found.append(
                f'{len(repeat)} {name} in a row are the same, from {begun_s:.1f} s on, while the '
                'others change: the camera has stopped, and what is compared is of another time'
            )
    return found


def _matrix_warnings(index: Index) -> list[str]:
    """Return what to say of K where it can be that of another image, in whole sentences."""
    found = index.cameras.find(0)
    if found is None:
        return []
    camera = found[1]
    stretch = stretch_doubt(camera)
    if not camera.is_off_centre or found[0].roi.width:
        return [stretch] if stretch else []
    text = (
        f'the principal point of camera_info lies at {camera.cx:.0f}, {camera.cy:.0f}, far from '
        f'the middle of {camera.width} x {camera.height}: width and height of camera_info must be '
        'those that K is of, and a cropped image must have its ROI; otherwise the scale is wrong'
    )
    return [text, stretch] if stretch else [text]


def _frame_warnings(index: Index) -> list[str]:
    """Return what speaks against a CameraInfo being that of the images, in whole sentences."""
    infos, images = (  # ROS 1 has names with a slash
        {name.lstrip('/') for name in names} - {''}
        for names in (index.cameras.frame_ids, index.images.frame_ids)
    )
    mixed = [
        f'{what} on {topic} are of the frames {_names(names)}: those of several cameras mix '
        'there, so that an image may have the intrinsics of another; give each camera topics of '
        'its own'
        for what, topic, names in (
            ('images', index.choice.image, images),
            ('messages', index.choice.camera_info, infos),
        )
        if len(names) > 1
    ]
    if mixed or not infos or not images or infos & images:
        return mixed + _neighbour_warnings(index)
    text = (
        f'camera_info on {index.choice.camera_info} is of the frame {_names(infos)}, images of '
        f'{_names(images)}: the intrinsics of another camera make the scale wrong; name the right '
        'topic by --camera-info-topic'
    )
    return [text]


def _neighbour_warnings(index: Index) -> list[str]:
    """Return what to say of a CameraInfo that was recorded beside another camera's images."""
    choice = index.choice
    if choice.camera_info is None:
        return []
    own = base_topic(choice.image)
    folder = choice.camera_info.rpartition('/')[0]
    others = {
        base_topic(name)
        for name, topic in index.recording.topics.items()
        if topic.msgtype in {IMAGE_TYPE, COMPRESSED_TYPE}
    }
    neighbour = f'{folder}/{own.rpartition("/")[2]}'
    if neighbour == own or neighbour not in others:
        return []
    text = (
        f'camera_info on {choice.camera_info} seems to be that of {neighbour}, and images are '
        f'those of {own}: the intrinsics of another camera make the scale wrong; name the right '
        'topic by --camera-info-topic'
    )
    return [text]


def has_same_aspect(one_hw: tuple[int, int], other_hw: tuple[int, int]) -> bool:
    """Whether two sizes may be of the same view."""
    return abs(one_hw[0] * other_hw[1] / (one_hw[1] * other_hw[0]) - 1) <= _ASPECT_TOLERANCE


def at_size(depth_hw: FloatArray, size_hw: tuple[int, int]) -> FloatArray | None:
    """Bring a depth image to another size of the same view; None if it is another view.

    Nearest pixels are taken, since a mean of depths is no depth at the edges of things.
    """
    if depth_hw.shape == size_hw:
        return depth_hw
    if not has_same_aspect((depth_hw.shape[0], depth_hw.shape[1]), size_hw):
        return None
    resized = cv2.resize(depth_hw, size_hw[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(resized, np.float32)


def _intrinsics_warnings(
    color: CameraModel, depth: CameraModel, depth_hw: tuple[int, int]
) -> list[str]:
    try:
        color, depth = color.matching(*depth_hw), depth.matching(*depth_hw)
    except CameraError:
        return ['camera_info of the depth is not of its size: registration cannot be told from it']
    focal = max(abs(depth.fx / color.fx - 1), abs(depth.fy / color.fy - 1))
    center = max(abs(depth.cx - color.cx) / depth_hw[1], abs(depth.cy - color.cy) / depth_hw[0])
    if focal <= _MOST_FOCAL_DIFFERENCE and center <= _MOST_CENTER_DIFFERENCE:
        return []
    text = (
        f'depth has focal length {depth.fx:.1f} and center {depth.cx:.1f}, {depth.cy:.1f}, images '
        f'have {color.fx:.1f} and {color.cx:.1f}, {color.cy:.1f}: depth seems not registered; '
        'record the registered (aligned) topic'
    )
    return [text]


def _names(frames: set[str]) -> str:
    return ', '.join(sorted(repr(name) for name in frames)) or 'no name'
