"""How much room a recording with our depth takes, told before hours of work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drnet_offline.replay.frames import read_frames

if TYPE_CHECKING:
    from drnet_offline.replay.index import Index
    from drnet_ros.inference import Settings

__all__ = ['needed_bytes']

_POINT_BYTES = 16


def needed_bytes(index: Index, settings: Settings, frames: int) -> int:
    """Estimate what `drnet bag --write` needs at most while it works.

    Args:
        index: The index of the recording.
        settings: Those that depth is written with.
        frames: How many frames are still to be computed.

    Returns:
        Bytes: the messages as they are computed, and the recording with both, which is compressed.
    """
    images = (frame.rgb_hwc for frame in read_frames(index))
    first = next((image for image in images if image is not None), None)
    if first is None:
        return 0
    height, width = settings.output_size if any(settings.output_size) else first.shape[:2]
    per_pixel = 2 if settings.depth_encoding == '16UC1' else 4
    frame_bytes = height * width * per_pixel
    if settings.points and index.choice.camera_info is not None:
        stride = settings.point_stride
        frame_bytes += -(-height // stride) * -(-width // stride) * _POINT_BYTES
    path = index.recording.path
    files = path.iterdir() if path.is_dir() else [path]
    source = sum(file.stat().st_size for file in files if file.is_file())
    return int(source + 2 * frames * frame_bytes)
