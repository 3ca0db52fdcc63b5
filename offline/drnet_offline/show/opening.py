"""From what a user names to what is shown."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from drnet_offline.datasets.image_files import IMAGE_SUFFIXES, is_image
from drnet_offline.errors import OfflineError
from drnet_offline.outputs.wording import counted
from drnet_offline.replay.index import index_recording
from drnet_offline.show.live_source import LiveSource
from drnet_offline.show.played_source import ImageFiles, PlayedSource, RecordedImages, VideoImages
from drnet_offline.show.source import Source
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.storage import RECORDING_SUFFIXES, is_recording
from drnet_ros.recordings.topics import choose_topics
from drnet_ros.recordings.video import VIDEO_SUFFIXES, is_camera_or_url, is_video

__all__ = ['open_source']

_TOLERANCE_S = 0.02


def open_source(name: str, image_topic: str | None = None) -> Source:
    """Open what a user names.

    Args:
        name: Index of a webcam, URL of a network camera, or path of a video, an image, a folder
            of images, or a recording.
        image_topic: Topic of a recording's images; None for the one found by type.

    Raises:
        DatasetError: A file is no image.
        OfflineError: There is nothing of that name, or nothing that can be shown.
        RecordingError: A video or recording cannot be read.
    """
    path = Path(name)
    is_bag = is_recording(path)
    if image_topic is not None and not is_bag and (is_camera_or_url(name) or path.exists()):
        msg = f'--image-topic {image_topic} must be left out: {name} is no recording'
        raise OfflineError(msg)
    if is_camera_or_url(name):
        return LiveSource(name)
    if not path.exists():
        msg = f'there is no {name}: give a file, a folder, the index of a webcam, or a URL'
        raise OfflineError(msg)
    if path.is_file() and is_video(path):
        video = VideoImages(path)
        video.start()
        return PlayedSource(path.name, video)
    if path.is_file() and is_image(path):
        return PlayedSource(path.name, ImageFiles([path]))
    images = sorted(p for p in path.iterdir() if is_image(p)) if path.is_dir() else []
    # A folder of images may also have what `drnet show` has recorded.
    if is_bag and (not images or (path / 'metadata.yaml').is_file()):
        return _open_recording(path, image_topic)
    if images:
        return PlayedSource(f'{path.name} ({counted(len(images), "image")})', ImageFiles(images))
    kinds = (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES, *RECORDING_SUFFIXES)
    msg = f'{name} must be, or hold, images, a video or a recording ({", ".join(kinds)})'
    raise OfflineError(msg)


def _open_recording(path: Path, image_topic: str | None) -> Source:
    with ExitStack() as opened:
        recording = opened.enter_context(Recording(path))
        # Recorded depth is not shown, so that nothing waits for it.
        choice = choose_topics(recording.topics, image=image_topic, depth=None).without_depth()
        index = index_recording(recording, choice, _TOLERANCE_S)
        source = PlayedSource(f'{path.name} {choice.image}', RecordedImages(index))
        opened.pop_all()
    return source
