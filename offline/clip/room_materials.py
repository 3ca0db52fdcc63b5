"""Surfaces as Cycles node trees: paint, planks, wood, fabric, pictures, metal and light.

Textures are placed by the position in the room, so they need no unwrapping; `picture_material`
alone uses the texture coordinates of the mesh. Colours are linear RGB, lengths metres.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy
import numpy as np

if TYPE_CHECKING:
    from room_textures import Picture

Material = Any
Node = Any
Rgb = tuple[float, float, float]


def _new(name: str) -> tuple[Material, Node, Node]:
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    output = tree.nodes.new('ShaderNodeOutputMaterial')
    shader = tree.nodes.new('ShaderNodeBsdfPrincipled')
    tree.links.new(shader.outputs['BSDF'], output.inputs['Surface'])
    return material, tree, shader


def _place(tree: Node, scale: Rgb, *, is_shifted: bool = True) -> Node:
    """Position in the room times `scale`, shifted per object so that neighbours differ."""
    geometry = tree.nodes.new('ShaderNodeNewGeometry')
    mapping = tree.nodes.new('ShaderNodeMapping')
    mapping.inputs['Scale'].default_value = scale
    tree.links.new(geometry.outputs['Position'], mapping.inputs['Vector'])
    if is_shifted:
        info = tree.nodes.new('ShaderNodeObjectInfo')
        shift = tree.nodes.new('ShaderNodeMath')
        shift.operation = 'MULTIPLY'
        shift.inputs[1].default_value = 31.0
        tree.links.new(info.outputs['Random'], shift.inputs[0])
        tree.links.new(shift.outputs[0], mapping.inputs['Location'])
    return mapping.outputs['Vector']


def _noise(
    tree: Node, vector: Node, scale: float, detail: float = 5.0, wobble: float = 0.0
) -> Node:
    noise = tree.nodes.new('ShaderNodeTexNoise')
    noise.inputs['Scale'].default_value = scale
    noise.inputs['Detail'].default_value = detail
    noise.inputs['Distortion'].default_value = wobble
    tree.links.new(vector, noise.inputs['Vector'])
    return noise


def _ramp(tree: Node, factor: Node, stops: tuple[tuple[float, Rgb], ...]) -> Node:
    ramp = tree.nodes.new('ShaderNodeValToRGB')
    elements = ramp.color_ramp.elements
    while len(elements) < len(stops):
        elements.new(0.5)
    for element, (position, colour) in zip(elements, stops, strict=True):
        element.position = position
        element.color = (*colour, 1.0)
    tree.links.new(factor, ramp.inputs[0])
    return ramp.outputs['Color']


def _multiply(tree: Node, first: Node, second: Node, factor: float = 1.0) -> Node:
    mix = tree.nodes.new('ShaderNodeMix')
    mix.data_type = 'RGBA'
    mix.blend_type = 'MULTIPLY'
    mix.inputs[0].default_value = factor
    tree.links.new(first, mix.inputs[6])
    tree.links.new(second, mix.inputs[7])
    return mix.outputs[2]


def _bump(tree: Node, shader: Node, height: Node, depth_m: float, strength: float = 1.0) -> None:
    bump = tree.nodes.new('ShaderNodeBump')
    bump.inputs['Strength'].default_value = strength
    bump.inputs['Distance'].default_value = depth_m
    tree.links.new(height, bump.inputs['Height'])
    tree.links.new(bump.outputs['Normal'], shader.inputs['Normal'])


def _shade(colour: Rgb, factor: float) -> Rgb:
    red, green, blue = (min(channel * factor, 1.0) for channel in colour)
    return red, green, blue


def plain(name: str, colour: Rgb, roughness: float = 0.5, *, metallic: float = 0.0) -> Material:
    """One colour, with slight uneven gloss as on handled things."""
    material, tree, shader = _new(name)
    shader.inputs['Metallic'].default_value = metallic
    shader.inputs['Roughness'].default_value = roughness
    noise = _noise(tree, _place(tree, (1.0, 1.0, 1.0)), 9.0, 2.0)
    stops = ((0.3, _shade(colour, 0.95)), (0.7, _shade(colour, 1.03)))
    tree.links.new(_ramp(tree, noise.outputs[0], stops), shader.inputs['Base Color'])
    return material


def paint(name: str, colour: Rgb) -> Material:
    """Rolled wall paint on plaster: faint clouds, small scuffs and a fine relief."""
    material, tree, shader = _new(name)
    shader.inputs['Roughness'].default_value = 0.85
    place = _place(tree, (1.0, 1.0, 1.0), is_shifted=False)
    clouds = _noise(tree, place, 1.7, 4.0)
    base = _ramp(
        tree, clouds.outputs[0], ((0.3, _shade(colour, 0.9)), (0.7, _shade(colour, 1.06)))
    )
    scuffs = _noise(tree, place, 9.0, 5.0)
    marks = _ramp(tree, scuffs.outputs[0], ((0.3, (0.78, 0.76, 0.72)), (0.42, (1.0, 1.0, 1.0))))
    tree.links.new(_multiply(tree, base, marks, 0.4), shader.inputs['Base Color'])
    _bump(tree, shader, _noise(tree, place, 48.0, 1.0).outputs[0], 0.006, 0.5)
    return material


def wood(name: str, light: Rgb, dark: Rgb, axis: str, roughness: float = 0.42) -> Material:
    """Sawn wood with the grain along `axis` ('x', 'y' or 'z')."""
    material, tree, shader = _new(name)
    shader.inputs['Roughness'].default_value = roughness
    scale = tuple(1.0 if axis == letter else 13.0 for letter in 'xyz')
    place = _place(tree, (scale[0], scale[1], scale[2]))
    rings = _noise(tree, place, 1.6, 4.0, 1.2)
    grain = _noise(tree, place, 9.0, 2.0)
    base = _ramp(tree, rings.outputs[0], ((0.32, dark), (0.5, light), (0.68, _shade(dark, 1.3))))
    streaks = _ramp(tree, grain.outputs[0], ((0.3, (0.62, 0.56, 0.5)), (0.6, (1.0, 1.0, 1.0))))
    tree.links.new(_multiply(tree, base, streaks, 0.8), shader.inputs['Base Color'])
    return material


def planks(name: str) -> Material:
    """Oak floor boards along x, 1.4 m by 0.13 m, each with its own tone and grain."""
    material, tree, shader = _new(name)
    place = _place(tree, (1.0, 1.0, 1.0), is_shifted=False)
    brick = tree.nodes.new('ShaderNodeTexBrick')
    brick.offset = 0.37
    brick.inputs['Color1'].default_value = (0.0, 0.0, 0.0, 1.0)
    brick.inputs['Color2'].default_value = (1.0, 1.0, 1.0, 1.0)
    brick.inputs['Mortar'].default_value = (0.5, 0.5, 0.5, 1.0)
    sizes = {'Scale': 1.0, 'Mortar Size': 0.0028, 'Brick Width': 1.4, 'Row Height': 0.13}
    for key, value in sizes.items():
        brick.inputs[key].default_value = value
    tree.links.new(place, brick.inputs['Vector'])
    tones = _ramp(
        tree,
        brick.outputs[0],
        ((0.0, (0.23, 0.115, 0.05)), (0.5, (0.36, 0.2, 0.095)), (1.0, (0.5, 0.31, 0.165))),
    )
    stretched = _place(tree, (1.3, 17.0, 1.0), is_shifted=False)
    grain = _noise(tree, stretched, 2.2, 6.0, 1.6)
    grain.noise_dimensions = '4D'
    offset = tree.nodes.new('ShaderNodeMath')
    offset.operation = 'MULTIPLY'
    offset.inputs[1].default_value = 40.0
    tree.links.new(brick.outputs[0], offset.inputs[0])
    tree.links.new(offset.outputs[0], grain.inputs['W'])
    streaks = _ramp(tree, grain.outputs[0], ((0.3, (0.5, 0.42, 0.36)), (0.62, (1.0, 1.0, 1.0))))
    gaps = _ramp(tree, brick.outputs[1], ((0.0, (1.0, 1.0, 1.0)), (1.0, (0.12, 0.1, 0.08))))
    coloured = _multiply(tree, _multiply(tree, tones, streaks, 0.85), gaps)
    tree.links.new(coloured, shader.inputs['Base Color'])
    gloss = _ramp(tree, grain.outputs[0], ((0.2, (0.28,) * 3), (0.8, (0.42,) * 3)))
    tree.links.new(gloss, shader.inputs['Roughness'])
    return material


def fabric(name: str, colour: Rgb, *, stripe: Rgb | None = None, pitch: float = 9.0) -> Material:
    """Coarse woven cloth, worn a little; `stripe` adds vertical stripes, `pitch` per metre."""
    material, tree, shader = _new(name)
    shader.inputs['Roughness'].default_value = 0.95
    place = _place(tree, (1.0, 1.0, 1.0))
    worn = _noise(tree, place, 5.0, 4.0)
    base = _ramp(tree, worn.outputs[0], ((0.3, _shade(colour, 0.7)), (0.7, _shade(colour, 1.2))))
    if stripe is not None:
        wave = tree.nodes.new('ShaderNodeTexWave')
        wave.inputs['Scale'].default_value = pitch
        wave.inputs['Distortion'].default_value = 0.3
        tree.links.new(place, wave.inputs['Vector'])
        lines = _ramp(tree, wave.outputs[1], ((0.48, (1.0, 1.0, 1.0)), (0.54, stripe)))
        base = _multiply(tree, base, lines)
    weave = _noise(tree, place, 130.0, 1.0)
    threads = _ramp(tree, weave.outputs[0], ((0.35, (0.55,) * 3), (0.65, (1.0,) * 3)))
    tree.links.new(_multiply(tree, base, threads, 0.8), shader.inputs['Base Color'])
    _bump(tree, shader, weave.outputs[0], 0.003, 0.5)
    return material


def leaf(name: str) -> Material:
    """Glossy plant leaf."""
    material, tree, shader = _new(name)
    shader.inputs['Roughness'].default_value = 0.3
    noise = _noise(tree, _place(tree, (1.0, 1.0, 1.0)), 22.0, 3.0)
    stops = ((0.3, (0.018, 0.07, 0.016)), (0.7, (0.09, 0.2, 0.045)))
    tree.links.new(_ramp(tree, noise.outputs[0], stops), shader.inputs['Base Color'])
    return material


def picture_material(
    name: str, picture: Picture, roughness: float = 0.6, *, glow: float = 0.0
) -> Material:
    """Shows a picture by the mesh's texture coordinates; `glow` > 0 makes it emit light."""
    height, width = picture.shape[:2]
    image = bpy.data.images.new(name, width, height)
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = picture[::-1].astype(np.float32) / 255
    image.pixels.foreach_set(pixels.ravel())
    image.update()
    material, tree, shader = _new(name)
    node = tree.nodes.new('ShaderNodeTexImage')
    node.image = image
    shader.inputs['Roughness'].default_value = roughness
    if glow > 0:
        shader.inputs['Base Color'].default_value = (0.0, 0.0, 0.0, 1.0)
        tree.links.new(node.outputs['Color'], shader.inputs['Emission Color'])
        shader.inputs['Emission Strength'].default_value = glow
        material.cycles.emission_sampling = 'NONE'
    else:
        tree.links.new(node.outputs['Color'], shader.inputs['Base Color'])
    return material


def glowing(name: str, colour: Rgb, strength: float) -> Material:
    """A surface that emits light evenly, such as a lamp shade."""
    material, _, shader = _new(name)
    shader.inputs['Base Color'].default_value = (*colour, 1.0)
    shader.inputs['Emission Color'].default_value = (*colour, 1.0)
    shader.inputs['Emission Strength'].default_value = strength
    return material
