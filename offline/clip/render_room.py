"""Renders the frames of a recording with Cycles: colour as PNG, exact depth as a float array.

Run with the Python 3.11 that has `bpy`; frames that exist are skipped, so a run can be resumed:

    nice -n 5 python render_room.py --output /tmp/clip_frames
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import bpy
import mathutils
import numpy as np
from random_room import model_room
from rendered_recordings import RECORDINGS, Matrix, RenderedRecording, add_recording_argument

SENSOR_MM = 36.0
# Blender's camera looks along -z with y up; the optical frame along +z with y down.
OPTICAL_TO_BLENDER = np.diag([1.0, -1.0, -1.0, 1.0])


def add_camera() -> Any:
    """Adds the pinhole camera; its principal point (w - 1) / 2 is Blender's unshifted centre."""
    camera = bpy.data.cameras.new('camera')
    camera.sensor_fit = 'HORIZONTAL'
    camera.sensor_width = SENSOR_MM
    camera.clip_start = 0.05
    thing = bpy.data.objects.new('camera', camera)
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.scene.camera = thing
    return thing


def point_camera(camera: Any, pose: Matrix, focal_px: float) -> None:
    """Sets pose and focal length of the camera.

    Args:
        camera: That of `add_camera`.
        pose: 4x4 pose of the optical frame.
        focal_px: For images of the size that is set.
    """
    width = bpy.context.scene.render.resolution_x
    camera.data.lens = focal_px * camera.data.sensor_width / width
    camera.matrix_world = mathutils.Matrix((pose @ OPTICAL_TO_BLENDER).tolist())


def set_up_colour(size_px: tuple[int, int], samples: int, threads: int) -> None:
    """Sets size (width, height), path tracing and denoising for the colour frames."""
    scene = bpy.context.scene
    render, cycles = scene.render, scene.cycles
    render.engine = 'CYCLES'
    render.resolution_x, render.resolution_y = size_px
    render.resolution_percentage = 100
    render.threads_mode, render.threads = 'FIXED', threads
    render.use_persistent_data = True
    render.image_settings.file_format = 'PNG'
    render.image_settings.color_mode = 'RGB'
    cycles.device = 'CPU'
    cycles.samples = samples
    cycles.use_adaptive_sampling = False
    cycles.use_denoising = True
    cycles.denoiser = 'OPENIMAGEDENOISE'
    cycles.denoising_prefilter = 'FAST'
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 4, 3, 2
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 4.0
    cycles.filter_width = 1.2
    scene.view_settings.view_transform = 'AgX'
    scene.view_settings.look = 'AgX - Medium High Contrast'
    scene.view_settings.exposure = 0.35


def set_up_depth() -> None:
    """Makes every surface emit its z along the optical axis, seen through the pixel's centre.

    One sample with a filter of 0.01 pixel never mixes near and far; nothing is lit or denoised.
    """
    scene = bpy.context.scene
    material = bpy.data.materials.new('view_z')
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    view = tree.nodes.new('ShaderNodeCameraData')
    emission = tree.nodes.new('ShaderNodeEmission')
    output = tree.nodes.new('ShaderNodeOutputMaterial')
    tree.links.new(view.outputs['View Z Depth'], emission.inputs['Color'])
    tree.links.new(emission.outputs['Emission'], output.inputs['Surface'])
    scene.view_layers[0].material_override = material
    scene.render.image_settings.file_format = 'OPEN_EXR'
    scene.render.image_settings.color_depth = '32'
    scene.cycles.samples = 1
    scene.cycles.use_adaptive_sampling = scene.cycles.use_denoising = False
    scene.cycles.pixel_filter_type = 'BOX'
    scene.cycles.filter_width = 0.01
    scene.cycles.max_bounces = 0
    scene.cycles.sample_clamp_direct = 0.0


def render(recording: RenderedRecording, camera: Any, frame: int, path: Path) -> None:
    """Renders one frame from its pose on the path to `path`."""
    point_camera(camera, recording.optical_pose(frame), recording.focal_px)
    bpy.context.scene.cycles.seed = frame
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def read_depth(path: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Reads the first channel of a float EXR: metres, shape (height, width), top row first."""
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = 'Non-Color'
    width, height = image.size
    pixels = np.empty(height * width * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)[::-1, :, 0].copy()


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--output', type=Path, required=True, help='folder of the frames')
    parser.add_argument('--samples', type=int, default=40, help='paths per pixel at most')
    parser.add_argument('--threads', type=int, default=2)
    add_recording_argument(parser)
    parser.add_argument('--frames', type=int, nargs='*', help='only these (default: all)')
    return parser.parse_args()


def main() -> None:
    """Renders depth first (fast), then colour, for every frame not there yet."""
    arguments = parse_arguments()
    arguments.output.mkdir(parents=True, exist_ok=True)
    recording = RECORDINGS[arguments.recording]
    frames = arguments.frames or range(recording.frame_count)
    for kind in ('depth', 'colour'):
        model_room(recording.room_seed)
        camera = add_camera()
        set_up_colour((recording.width, recording.height), arguments.samples, arguments.threads)
        if kind == 'depth':
            set_up_depth()
        for frame in frames:
            stem = arguments.output / f'{frame:03d}'
            done = stem.with_suffix('.npy' if kind == 'depth' else '.png')
            if done.exists():
                continue
            start = time.monotonic()
            part = stem.with_suffix('.part.exr' if kind == 'depth' else '.part.png')
            render(recording, camera, frame, part)
            if kind == 'depth':
                np.save(done, read_depth(part))
                part.unlink()
            else:
                part.rename(done)
            print(f'{kind} {frame}: {time.monotonic() - start:.1f} s', flush=True)


if __name__ == '__main__':
    main()
