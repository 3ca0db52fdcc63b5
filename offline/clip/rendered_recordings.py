"""The recordings that are rendered: camera, timing, path and room of each. Pure numpy.

Frames: `map` has z up and its origin in a corner of the room's floor; the optical frame has x
right, y down, z forward. Pixel coordinates count from the centre of the top left pixel.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RenderedRecording:
    """A camera on its way through a modelled room.

    Attributes:
        width: Of the images, pixels.
        height: Likewise.
        focal_px: Focal length; pixels are square, and the principal point is the image's centre.
        frame_count: Number of images.
        rate_hz: Of the images.
        room_seed: Of the random room; None is the room of the bundled clip.
        position_m: Camera centre in `map` for the progress 0..1 along the path.
        angles_deg: (yaw, pitch, roll) likewise: left of +x, up from level, clockwise.
    """

    width: int
    height: int
    focal_px: float
    frame_count: int
    rate_hz: float
    room_seed: int | None
    position_m: Callable[[float], Matrix]
    angles_deg: Callable[[float], Matrix]

    @property
    def centre_px(self) -> tuple[float, float]:
        """Column and row of the principal point."""
        return (self.width - 1) / 2, (self.height - 1) / 2

    @property
    def duration_s(self) -> float:
        """Time from the first image to the last."""
        return (self.frame_count - 1) / self.rate_hz

    def optical_pose(self, frame: float) -> Matrix:
        """Returns the 4x4 pose of the optical frame in `map` (optical point to map).

        Args:
            frame: Which frame; between two frames the camera is on its path between them.
        """
        progress = frame / (self.frame_count - 1)
        yaw, pitch, roll = np.deg2rad(self.angles_deg(progress))
        forward = np.array(
            [np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)]
        )
        level_right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
        level_down = np.cross(forward, level_right)
        right = np.cos(roll) * level_right + np.sin(roll) * level_down
        pose = np.eye(4)
        pose[:3, 0] = right
        pose[:3, 1] = np.cross(forward, right)
        pose[:3, 2] = forward
        pose[:3, 3] = self.position_m(progress)
        return pose


def clip_position_m(progress: float) -> Matrix:
    """Returns where the camera of the clip is: a curved walk with a slight bob."""
    x = 0.62 + 0.78 * progress - 0.1 * np.sin(np.pi * progress)
    y = 0.92 + 0.36 * progress + 0.1 * np.sin(np.pi * progress)
    z = 1.43 - 0.07 * progress + 0.012 * np.sin(4 * np.pi * progress)
    return np.array([x, y, z])


def clip_angles_deg(progress: float) -> Matrix:
    """Returns where the camera of the clip looks."""
    eased = progress - 0.6 * np.sin(2 * np.pi * progress) / (2 * np.pi)
    yaw = 10.0 + 34.0 * eased
    pitch = -13.5 + 2.5 * np.sin(np.pi * progress + 0.4)
    roll = 1.3 * np.sin(2 * np.pi * progress)
    return np.array([yaw, pitch, roll])


def walk_position_m(progress: float) -> Matrix:
    """Returns where the camera of the walk is: on five sixths of an ellipse round the room."""
    angle = np.deg2rad(-60.0 + 300.0 * progress)
    x = 3.2 + 1.3 * np.cos(angle)
    y = 2.95 + 1.1 * np.sin(angle)
    z = 1.33 + 0.01 * np.sin(60 * np.pi * progress)
    return np.array([x, y, z])


def walk_angles_deg(progress: float) -> Matrix:
    """Returns where the camera of the walk looks: ahead and outwards, rocking with each step."""
    yaw = -60.0 + 300.0 * progress + 62.0 + 6.0 * np.sin(7 * np.pi * progress)
    pitch = -12.75 + 1.5 * np.sin(50 * np.pi * progress + 0.4)
    roll = 1.0 * np.sin(30 * np.pi * progress)
    return np.array([yaw, pitch, roll])


CLIP = RenderedRecording(640, 480, 525.0, 64, 20.0, None, clip_position_m, clip_angles_deg)
WALK = RenderedRecording(432, 324, 360.0, 150, 5.0, 222, walk_position_m, walk_angles_deg)
RECORDINGS = {'clip': CLIP, 'walk': WALK}


def add_recording_argument(parser: argparse.ArgumentParser) -> None:
    """Adds `--recording`, a name of `RECORDINGS`."""
    parser.add_argument(
        '--recording', choices=RECORDINGS, default='clip', help='which one (default: clip)'
    )
