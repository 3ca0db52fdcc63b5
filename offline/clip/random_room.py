"""A room whose size, surfaces, light and furniture are drawn at random, by a seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy
import numpy as np
import room_materials as surface
from room_clutter import BookPile, add_bowl_of_fruit, add_desk_equipment, add_mug, add_plant
from room_furniture import (
    add_armchair,
    add_chair,
    add_desk,
    add_floor_lamp,
    add_frame,
    add_shelf_frame,
    add_sofa,
    add_table,
)
from room_palette import build_palette
from room_scene import add_area_light, build_room
from room_shapes import Point, add_box, add_cushion, add_group, add_picture

WALL = 0.2


def model_room(seed: int | None) -> None:
    """Empties the scene and models a random room, or that of the bundled clip without a seed."""
    if seed is None:
        build_room()
    else:
        RandomRoom(seed)


def optical_pose(
    at: Point, yaw: float, pitch: float, roll: float
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Returns the pose of an optical frame in the room, 4x4.

    Args:
        at: Where the camera is, metres.
        yaw: Left of +x, radians.
        pitch: Up from level, radians.
        roll: Clockwise, radians.
    """
    forward = np.array([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)])
    level = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    right = np.cos(roll) * level + np.sin(roll) * np.cross(forward, level)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2] = right, np.cross(forward, right), forward
    pose[:3, 3] = at
    return pose


class RandomRoom:
    """A living room whose size, surfaces, light and furniture depend on a seed.

    Attributes:
        lowest_size_m: The least length, width and height that are drawn, metres.
        highest_size_m: The greatest ones.
    """

    lowest_size_m, highest_size_m = (3.0, 2.8, 2.3), (7.5, 6.0, 3.0)

    def __init__(self, seed: int) -> None:
        """Empties the scene and models the room."""
        self._rng = np.random.default_rng(seed)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self._palette = build_palette()
        self._paint()
        size = self._rng.uniform(self.lowest_size_m, self.highest_size_m)
        self._length, self._width, self._height = map(float, size)
        self._taken: list[tuple[float, float, float]] = []
        self._build_shell()
        self._light()
        for place in self._rng.permutation(4):
            self._furnish_wall(int(place))
        self._furnish_middle()

    def optical_pose(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Draws a camera pose in the room, 4x4, that looks along at least 1.5 m of it."""
        rng = self._rng
        for _ in range(200):
            height = float(rng.uniform(0.25, 1.75))
            at = rng.uniform((0.3, 0.3), (self._length - 0.3, self._width - 0.3))
            target = rng.uniform((0.0, 0.0), (self._length, self._width))
            is_free = all(np.hypot(x - at[0], y - at[1]) > r + 0.2 for x, y, r in self._taken)
            if (is_free or height > 1.3) and np.hypot(*(target - at)) > 1.5:
                break
        yaw = float(np.arctan2(*(target - at)[::-1]))
        pitch = float(np.deg2rad(rng.uniform(-28, 8 if height < 1 else -4)))
        roll = float(np.deg2rad(rng.normal(0, 2)))
        return optical_pose((*at, height), yaw, pitch, roll)

    def _paint(self) -> None:
        """Gives walls, floor, wood and cloth other colours."""
        rng, palette = self._rng, self._palette

        def pale() -> tuple[float, float, float]:
            return tuple(rng.uniform(0.35, 0.85) * rng.uniform(0.8, 1.0, 3))

        def any_colour() -> tuple[float, float, float]:
            return tuple(rng.uniform(0.02, 0.6, 3))

        palette['wall'], palette['accent'] = (
            surface.paint(name, pale()) for name in ('wall', 'accent')
        )
        if rng.random() < 0.5:
            palette['floor'] = surface.fabric('carpet', any_colour(), pitch=30.0)
        for name in ('sofa', 'armchair', 'pillow_a', 'curtain'):
            palette[name] = surface.fabric(name, any_colour())
        light = np.array([0.5, 0.31, 0.16]) * rng.uniform(0.2, 1.4)
        for axis in 'xyz':
            dark = tuple(0.55 * light)
            for wood in ('oak', 'walnut'):
                material = surface.wood(f'{wood}_{axis}', tuple(light), dark, axis)
                palette[f'{wood}_{axis}'] = material
        palette['oak'], palette['walnut'] = palette['oak_x'], palette['walnut_z']
        palette['lacquer'] = surface.plain('lacquer', any_colour(), 0.35)

    def _build_shell(self) -> None:
        length, width, height = self._length, self._width, self._height
        boxes: tuple[tuple[str, Point, Point], ...] = (
            ('floor', (-WALL, -WALL, -WALL), (length + WALL, width + WALL, 0.0)),
            ('ceiling', (-WALL, -WALL, height), (length + WALL, width + WALL, height + WALL)),
            ('wall', (-WALL, -WALL, 0.0), (0.0, width + WALL, height)),
            ('wall', (0.0, -WALL, 0.0), (length, 0.0, height)),
            ('accent', (length, -WALL, 0.0), (length + WALL, width + WALL, height)),
            ('wall', (0.0, width, 0.0), (length, width + WALL, height)),
        )
        for name, low, high in boxes:
            add_box(name, low, high, self._palette[name], bevel=0)

    def _light(self) -> None:
        rng, middle = self._rng, (self._length / 2, self._width / 2)
        warm = (1.0, float(rng.uniform(0.75, 0.97)), float(rng.uniform(0.55, 0.95)))
        size = float(rng.uniform(0.4, 2.0))
        lamp = add_area_light(
            'lamp', (*middle, self._height - 0.03), (0.0, 0.0, 0.0), (size, size)
        )
        area = self._length * self._width
        lamp.data.energy, lamp.data.color = float(rng.uniform(2.0, 7.0)) * area, warm
        left = float(rng.uniform(0.3, self._length - 2.0))
        wide, sill = float(rng.uniform(0.8, 1.6)), float(rng.uniform(0.7, 1.1))
        corner, up = (left, self._width - 0.005, sill), (0.0, 0.0, 1.2)
        add_picture('outside', corner, (wide, 0.0, 0.0), up, self._palette['outside'])
        trim = self._palette['trim']
        for x in (left - 0.06, left + wide / 2 - 0.03, left + wide):
            low = (x, self._width - 0.04, sill - 0.06)
            add_box('window_bar', low, (x + 0.06, self._width, sill + 1.26), trim)
        at = (left + wide / 2, self._width - 0.06, sill + 0.6)
        window = add_area_light('window', at, (-90.0, 0.0, 0.0), (wide, 1.2))
        window.data.energy = float(rng.uniform(10.0, 90.0))
        window.data.color = (0.88, 0.94, 1.0)

    def _furnish_wall(self, wall: int) -> None:
        """Puts pieces along one wall, with pictures above them."""
        rng = self._rng
        along = self._length if wall % 2 == 0 else self._width
        at = float(rng.uniform(0.3, 0.9))
        while at < along - 0.8:
            piece, half, deep = self._draw_piece(wall)
            if at + 2 * half > along - 0.2:
                break
            spot, turn = self._spot(wall, at + half, deep)
            if self._take(spot, half):
                piece((*spot, 0.0), turn)
                if rng.random() < 0.4:
                    self._hang(wall, at + half)
            at += 2 * half + float(rng.uniform(0.1, 1.2))

    def _draw_piece(self, wall: int) -> tuple[Callable[[Point, float], object], float, float]:
        """Returns what adds a piece, its half length, and how far off the wall it is."""
        rng, palette = self._rng, self._palette
        length, size = float(rng.uniform(1.3, 2.1)), rng.uniform((0.5, 0.35), (1.4, 0.6))
        low, tall = (
            (float(size[0]), float(size[1]), float(rng.uniform(*heights)))
            for heights in ((0.45, 1.0), (1.7, 2.2))
        )
        half, deep = float(size[0]) / 2, float(size[1]) / 2 + 0.02
        pieces: list[tuple[Callable[[Point, float], object], float, float]] = [
            (lambda at, turn: add_sofa(at, turn, length, palette), length / 2, 0.5),
            (self._add_shelf, 0.6, 0.33),
            (self._add_bed, 0.55, 1.05),
            (lambda at, turn: add_chair(at, turn, palette), 0.3, 0.4),
            (self._add_plant, 0.3, 0.35),
            (lambda at, turn: self._add_cabinet(at, turn, low), half, deep),
            (lambda at, turn: self._add_cabinet(at, turn, tall), half, deep),
        ]
        if wall == 0:  # a desk cannot be turned
            pieces.append((self._add_desk, 0.75, 0.4))
        return pieces[int(rng.integers(len(pieces)))]

    def _spot(self, wall: int, along: float, deep: float) -> tuple[tuple[float, float], float]:
        """Returns a place in front of a wall, and the turn that puts the back to it."""
        spots = (
            (along, self._width - deep),
            (self._length - deep, along),
            (along, deep),
            (deep, along),
        )
        return spots[wall], (0.0, -90.0, 180.0, 90.0)[wall]

    def _take(self, spot: tuple[float, float], radius: float) -> bool:
        is_free = all(
            np.hypot(x - spot[0], y - spot[1]) > r + 0.8 * radius for x, y, r in self._taken
        )
        if is_free:
            self._taken.append((*spot, radius))
        return is_free

    def _hang(self, wall: int, along: float) -> None:
        rng = self._rng
        (x, y), _ = self._spot(wall, along, 0.0)
        normal = ((0.0, -1.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))[wall]
        wide, high = map(float, rng.uniform(0.3, 0.8, 2))
        right = (-normal[1] * wide, normal[0] * wide, 0.0)
        corner = (x - right[0] / 2, y - right[1] / 2, float(rng.uniform(1.3, 1.5)))
        picture = self._palette[str(rng.choice(['mountains', 'shapes', 'city_map']))]
        add_frame(corner, right, (0.0, 0.0, high), picture, self._palette['black'], normal)

    def _add_desk(self, at: Point, _turn_deg: float) -> None:
        add_desk_equipment(add_desk(at, self._palette), self._palette)

    def _add_plant(self, at: Point, _turn_deg: float) -> None:
        seed, height = int(self._rng.integers(99)), float(self._rng.uniform(0.5, 1.5))
        add_plant(at, height, 28, self._palette['terracotta'], self._palette, seed)

    def _add_shelf(self, at: Point, turn: float) -> None:
        boards, rng = int(self._rng.integers(3, 7)), self._rng
        height = 0.36 * boards
        shelf = add_shelf_frame(at, turn, (1.1, 0.32, height), boards, self._palette)
        pile = BookPile(int(rng.integers(999)))
        gap = (height - 0.082) / boards
        for board in range(boards):
            z = 0.082 + board * gap
            pile.fill_row(-0.5, float(rng.uniform(-0.2, 0.5)), 0.03, z, gap - 0.04)
        pile.build(self._palette['spines'], shelf)

    def _add_cabinet(self, at: Point, turn: float, size: tuple[float, float, float]) -> None:
        palette, (half_x, half_y, top) = self._palette, (size[0] / 2, size[1] / 2, size[2])
        material = palette[str(self._rng.choice(['lacquer', 'oak', 'white_lacquer', 'walnut']))]
        group = add_group('cabinet', at, turn)
        add_box('body', (-half_x, -half_y, 0.0), (half_x, half_y, top), material, group)
        for left, right in ((-half_x + 0.02, -0.005), (0.005, half_x - 0.02)):
            low = (left, -half_y - 0.018, 0.06)
            add_box('door', low, (right, -half_y, top - 0.03), material, group)
        if top < 1.2:
            add_mug((0.1, 0.0, top), palette['ceramic_red'], group)
            pile = BookPile(int(self._rng.integers(999)))
            pile.stack((-half_x / 2, 0.0, top), int(self._rng.integers(1, 6)), 20.0)
            pile.build(palette['spines'], group)

    def _add_bed(self, at: Point, turn: float) -> None:
        palette, group = self._palette, add_group('bed', at, turn)
        add_box('frame', (-0.5, -1.0, 0.1), (0.5, 1.0, 0.3), palette['oak'], group)
        add_box(
            'mattress', (-0.48, -0.98, 0.3), (0.48, 0.98, 0.5), palette['sofa'], group, bevel=0.05
        )
        add_cushion('pillow', (0.0, 0.75, 0.55), (0.35, 0.2, 0.08), palette['pillow_b'], group)

    def _furnish_middle(self) -> None:
        """Lays a rug, and puts tables with chairs, and armchairs."""
        rng, palette = self._rng, self._palette
        middle = np.array([self._length, self._width]) / 2
        if rng.random() < 0.6:
            x, y = middle + rng.uniform(-0.5, 0.5, 2)
            rug = (float(x) - 0.9, float(y) - 0.7, 0.006)
            add_picture('rug', rug, (1.8, 0.0, 0.0), (0.0, 1.4, 0.0), palette['rug'])
        for _ in range(int(rng.integers(1, 4))):
            x, y = map(float, middle + rng.uniform(-0.25, 0.25, 2) * (self._length, self._width))
            if not self._take((x, y), 0.6):
                continue
            turn = float(rng.uniform(0, 360))
            if rng.random() < 0.25:
                add_armchair((x, y, 0.0), turn, palette)
            else:
                self._add_table((x, y), turn)
        if rng.random() < 0.5:
            add_floor_lamp((0.35, 0.35, 0.0), palette)

    def _add_table(self, at: tuple[float, float], turn: float) -> None:
        rng, palette = self._rng, self._palette
        high = float(rng.choice([0.42, 0.75]))
        size = (float(rng.uniform(0.7, 1.3)), float(rng.uniform(0.5, 0.8)), high)
        table = add_table((*at, 0.0), turn, size, palette)
        add_bowl_of_fruit((0.1, 0.0, high + 0.001), palette, table)
        add_mug((-0.2, 0.1, high + 0.001), palette['ceramic_white'], table)
        for angle in rng.choice(360, int(rng.integers(0, 4)) if high > 0.5 else 0):
            out = np.deg2rad(float(angle))
            seat = at[0] + 0.75 * float(np.cos(out)), at[1] + 0.75 * float(np.sin(out)), 0.0
            add_chair(seat, float(angle) - 90.0, palette)
