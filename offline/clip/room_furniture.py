"""Furniture of the room, each piece around its own origin on the floor (metres)."""

from __future__ import annotations

from typing import Any

import numpy as np
from room_shapes import (
    Object,
    Point,
    add_box,
    add_cushion,
    add_group,
    add_lathe,
    add_picture,
    add_rod,
    add_sheet,
)

Palette = dict[str, Any]


def add_four_legs(
    group: Object, half_x: float, half_y: float, top: float, width: float, material: Any
) -> None:
    """Adds square legs of the given width, centred on (+-half_x, +-half_y), up to `top`."""
    half = width / 2
    for x in (-half_x, half_x):
        for y in (-half_y, half_y):
            low, high = (x - half, y - half, 0.0), (x + half, y + half, top)
            add_box('leg', low, high, material, group)


def add_table(
    at: Point, turn_deg: float, size: Point, palette: Palette, top_wood: str = 'oak'
) -> Object:
    """Adds a table of outer size (length, depth, height); returns its group."""
    group = add_group('table', at, turn_deg)
    half_x, half_y, height = size[0] / 2, size[1] / 2, size[2]
    low, high = (-half_x, -half_y, height - 0.03), (half_x, half_y, height)
    add_box('table_top', low, high, palette[top_wood], group, bevel=0.006)
    inset = 0.06
    add_four_legs(group, half_x - inset, half_y - inset, height - 0.03, 0.05, palette['oak_z'])
    for side in (-1, 1):
        y = side * (half_y - inset)
        rail = (
            (-half_x + inset, y - 0.01, height - 0.11),
            (half_x - inset, y + 0.01, height - 0.03),
        )
        add_box('apron', rail[0], rail[1], palette[top_wood], group)
        x = side * (half_x - inset)
        rail = (
            (x - 0.01, -half_y + inset, height - 0.11),
            (x + 0.01, half_y - inset, height - 0.03),
        )
        add_box('apron', rail[0], rail[1], palette['oak_y'], group)
    return group


def add_chair(at: Point, turn_deg: float, palette: Palette, wood: str = 'walnut') -> Object:
    """Adds a wooden chair that faces +y, with a seat pad and a back of spindles."""
    group = add_group('chair', at, turn_deg)
    material = palette[wood]
    add_four_legs(group, 0.19, 0.19, 0.43, 0.038, material)
    add_box('seat', (-0.22, -0.21, 0.43), (0.22, 0.22, 0.455), material, group, bevel=0.008)
    add_cushion('pad', (0.0, 0.01, 0.475), (0.2, 0.19, 0.026), palette['pad'], group, softness=0.3)
    for x in (-0.19, 0.19):
        add_rod('post', (x, -0.19, 0.44), (x * 1.04, -0.26, 0.92), 0.017, material, group)
    for x in np.linspace(-0.12, 0.12, 5):
        start, end = (float(x), -0.195, 0.45), (float(x) * 1.05, -0.253, 0.87)
        add_rod('spindle', start, end, 0.008, material, group)
    add_box('crest', (-0.225, -0.275, 0.85), (0.225, -0.245, 0.935), material, group, bevel=0.012)
    return group


def add_sofa(at: Point, turn_deg: float, length: float, palette: Palette) -> Object:
    """Adds a sofa that faces -y, with its back at y = 0.42 and feet on the floor."""
    group = add_group('sofa', at, turn_deg)
    cloth, half = palette['sofa'], length / 2
    add_box('base', (-half + 0.02, -0.41, 0.12), (half - 0.02, 0.4, 0.3), cloth, group, bevel=0.03)
    add_box('back', (-half + 0.01, 0.22, 0.2), (half - 0.01, 0.42, 0.8), cloth, group, bevel=0.07)
    for side in (-1, 1):
        ends = sorted((side * (half - 0.17), side * half))
        low, high = (ends[0], -0.43, 0.14), (ends[1], 0.4, 0.6)
        add_box('arm', low, high, cloth, group, bevel=0.06)
    seats = 2
    width = (length - 0.34) / seats
    for index in range(seats):
        x = -half + 0.17 + (index + 0.5) * width
        half_sizes = (width / 2 - 0.005, 0.33, 0.085)
        add_cushion('seat', (x, -0.12, 0.38), half_sizes, cloth, group, softness=0.25)
        rest = (width / 2 - 0.02, 0.08, 0.22)
        add_cushion(
            'rest', (x, 0.19, 0.64), rest, cloth, group, softness=0.35, tilt_deg=(-14.0, 0.0, 0.0)
        )
    add_four_legs(group, half - 0.1, 0.34, 0.12, 0.05, palette['walnut'])
    for x, roll, name in ((-half + 0.36, 16.0, 'pillow_a'), (half - 0.42, -20.0, 'pillow_b')):
        lean = (-26.0, roll, 0.0)
        half_sizes = (0.21, 0.07, 0.2)
        add_cushion(
            'pillow',
            (x, 0.02, 0.64),
            half_sizes,
            palette[name],
            group,
            softness=0.5,
            tilt_deg=lean,
        )
    _add_throw(group, half, palette)
    return group


def _add_throw(group: Object, half: float, palette: Palette) -> None:
    """Lays a blanket over the right arm of a sofa of half length `half`."""

    def throw(u: float, v: float) -> Point:
        path = (v - 0.5) * 1.0
        over = half - 0.085 + np.clip(path, -0.1, 0.1) + 0.012 * np.sin(u * 25) * abs(path)
        drop = max(0.0, abs(path) - 0.1)
        return float(over), float(-0.34 + 0.42 * u), float(0.612 - drop + 0.006 * np.sin(u * 40))

    add_sheet('throw', throw, 30, 60, palette['throw'], group)


def add_shelf_frame(
    at: Point, turn_deg: float, size: Point, boards: int, palette: Palette
) -> Object:
    """Adds an open shelf of size (length, depth, height), its front at y = 0, facing -y."""
    group = add_group('shelf', at, turn_deg)
    length, depth, height = size
    thick, half = 0.022, length / 2
    for x in (-half, half - thick):
        add_box('side', (x, 0.0, 0.0), (x + thick, depth, height), palette['walnut'], group)
    add_box('back', (-half, depth - 0.01, 0.0), (half, depth, height), palette['walnut_y'], group)
    for index in range(boards + 1):
        z = 0.06 + index * (height - 0.06 - thick) / boards
        low, high = (-half + thick, 0.004, z), (half - thick, depth - 0.01, z + thick)
        add_box('board', low, high, palette['walnut_y'], group)
    add_box('plinth', (-half, 0.02, 0.0), (half, 0.04, 0.06), palette['walnut_y'], group)
    return group


def add_desk(at: Point, palette: Palette) -> Object:
    """Adds a desk along x, 1.3 m by 0.6 m, with drawers on the right and open legs on the left."""
    group = add_group('desk', at)
    white, metal = palette['white_lacquer'], palette['steel']
    add_box('desk_top', (-0.65, -0.3, 0.71), (0.65, 0.3, 0.74), palette['oak'], group, bevel=0.005)
    add_box('cabinet', (0.22, -0.27, 0.04), (0.62, 0.28, 0.71), white, group)
    for index in range(4):
        z = 0.07 + index * 0.158
        front = (0.228, -0.288, z), (0.612, -0.268, z + 0.15)
        add_box('drawer', front[0], front[1], palette['oak'], group, bevel=0.005)
        add_rod('pull', (0.34, -0.305, z + 0.1), (0.5, -0.305, z + 0.1), 0.007, metal, group)
    for y in (-0.26, 0.26):
        add_rod('desk_leg', (-0.6, y, 0.0), (-0.6, y, 0.71), 0.018, metal, group)
    return group


def add_armchair(at: Point, turn_deg: float, palette: Palette) -> Object:
    """Adds a low armchair that faces +y: bent wood sides, one seat and one back cushion."""
    group = add_group('armchair', at, turn_deg)
    material = palette['oak_z']
    for x in (-0.34, 0.34):
        add_rod('front_leg', (x, 0.32, 0.0), (x, 0.26, 0.56), 0.02, material, group)
        add_rod('rear_leg', (x, -0.36, 0.0), (x, -0.24, 0.54), 0.02, material, group)
        low, high = (x - 0.035, -0.34, 0.54), (x + 0.035, 0.34, 0.568)
        add_box('arm', low, high, material, group, bevel=0.01)
    add_box('rail', (-0.34, -0.3, 0.26), (0.34, 0.28, 0.3), material, group)
    cloth = palette['armchair']
    add_cushion('seat', (0.0, 0.02, 0.38), (0.31, 0.31, 0.08), cloth, group, softness=0.28)
    tilt = (-18.0, 0.0, 0.0)
    half_sizes = (0.31, 0.07, 0.27)
    add_cushion('back', (0.0, -0.28, 0.64), half_sizes, cloth, group, softness=0.32, tilt_deg=tilt)
    return group


def add_floor_lamp(at: Point, palette: Palette) -> Object:
    """Adds a floor lamp with a glowing cloth shade about 1.5 m above the floor."""
    group = add_group('floor_lamp', at)
    add_lathe(
        'foot', [(0.0, 0.0), (0.15, 0.0), (0.15, 0.02), (0.0, 0.03)], palette['black'], group
    )
    add_rod('pole', (0.0, 0.0, 0.02), (0.0, 0.0, 1.5), 0.011, palette['brass'], group)
    profile = [(0.2, 1.38), (0.15, 1.66), (0.148, 1.66), (0.198, 1.38)]
    add_lathe('shade', profile, palette['shade'], group, segments=48)
    return group


def add_frame(
    corner: Point, right: Point, up: Point, picture: Any, moulding: Any, normal: Point
) -> None:
    """Hangs a framed picture: lower left corner, edges and the direction out of the wall."""
    out = np.array(normal)
    add_picture('picture', tuple(np.array(corner) + 0.012 * out), right, up, picture)
    along, rise, low = np.array(right), np.array(up), np.array(corner)
    unit, width = along / np.linalg.norm(along), 0.03
    pieces = (
        (low - width * unit, low + rise),
        (low + along, low + along + rise + width * unit),
        (low - width * unit - (0, 0, width), low + along + width * unit),
        (low - width * unit + rise, low + along + rise + width * unit + (0, 0, width)),
    )
    for first, second in pieces:
        deep = second + 0.028 * out
        ends = np.stack([first, deep])
        add_box('moulding', tuple(ends.min(axis=0)), tuple(ends.max(axis=0)), moulding)
