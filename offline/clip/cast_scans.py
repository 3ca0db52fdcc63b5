"""Measures in the modelled room what a laser scanner on the robot sees, without noise.

Run with the Python 3.11 that has `bpy`; it takes a few seconds:

    python cast_scans.py --output /tmp/clip_scans.npy
"""

from __future__ import annotations

import argparse
from pathlib import Path

import bpy
import clip_robot
import mathutils
import numpy as np
import room_scene
from clip_camera import Matrix


def cast_scans() -> Matrix:
    """Returns the distances in metres, shape (scans, rays); infinite where nothing is hit.

    Each ray starts where the robot is at its time.
    """
    times_s = clip_robot.scan_times_s()
    ranges = np.full((len(times_s), clip_robot.RAYS), np.inf)
    graph = bpy.context.evaluated_depsgraph_get()
    scene = bpy.context.scene
    for scan, begin_s in enumerate(times_s):
        for ray in range(clip_robot.RAYS):
            passed_s = ray / clip_robot.RAYS / clip_robot.SCAN_RATE_HZ
            laser = clip_robot.base_pose(begin_s + passed_s) @ clip_robot.laser_in_base()
            angle = clip_robot.FIRST_RAY_RAD + ray * clip_robot.RAY_STEP_RAD
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
    arguments = parser.parse_args()
    room_scene.build_room()
    np.save(arguments.output, cast_scans())


if __name__ == '__main__':
    main()
