"""Measures in the modelled room what a laser scanner on the robot sees, without noise.

Run with the Python 3.11 that has `bpy`; it takes less than a minute:

    python cast_scans.py --output /tmp/clip_scans.npy
"""

from __future__ import annotations

import argparse
from pathlib import Path

import bpy
import mathutils
import numpy as np
import robot
from random_room import model_room
from rendered_recordings import RECORDINGS, Matrix, RenderedRecording, add_recording_argument


def cast_scans(recording: RenderedRecording) -> Matrix:
    """Returns the distances in metres, shape (scans, rays); infinite where nothing is hit.

    The room is modelled already. Each ray starts where the robot is at its time.
    """
    times_s = robot.scan_times_s(recording)
    ranges = np.full((len(times_s), robot.RAYS), np.inf)
    graph = bpy.context.evaluated_depsgraph_get()
    scene = bpy.context.scene
    for scan, begin_s in enumerate(times_s):
        for ray in range(robot.RAYS):
            passed_s = ray / robot.RAYS / robot.SCAN_RATE_HZ
            laser = robot.base_pose(recording, begin_s + passed_s) @ robot.laser_in_base()
            angle = robot.FIRST_RAY_RAD + ray * robot.RAY_STEP_RAD
            direction = laser[:3, :3] @ (np.cos(angle), np.sin(angle), 0.0)
            start = mathutils.Vector(laser[:3, 3].tolist())
            is_hit, place, *_ = scene.ray_cast(graph, start, mathutils.Vector(direction.tolist()))
            if is_hit:
                ranges[scan, ray] = (place - start).length
    return ranges


def main() -> None:
    """Models the room and measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument('--output', type=Path, required=True, help='the .npy file')
    add_recording_argument(parser)
    arguments = parser.parse_args()
    recording = RECORDINGS[arguments.recording]
    model_room(recording.room_seed)
    np.save(arguments.output, cast_scans(recording))


if __name__ == '__main__':
    main()
