"""A table or desk with things on it, seen from near, in a random room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy
import numpy as np
import room_materials as surface
from random_room import RandomRoom, optical_pose
from room_clutter import BookPile, add_bowl_of_fruit, add_desk_equipment, add_mug
from room_furniture import add_desk, add_table
from room_shapes import Point, add_box, add_picture, add_rod


class RandomTabletop(RandomRoom):
    """A room with one table that the camera looks at from 0.35 to 2.6 m.

    Two in five are desks with a screen, a keyboard and a lamp.
    """

    lowest_size_m, highest_size_m = (2.8, 2.6, 2.3), (6.5, 5.5, 2.9)

    def optical_pose(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Draws a camera pose that looks at a place on the table, level or down on it."""
        rng = self._rng
        half_x, half_y, top = self._half_size_m
        x, y = rng.uniform((-0.7, -0.6), (0.7, 0.6)) * (half_x, half_y)
        target = np.array([*self._to_room(float(x), float(y)), top + rng.uniform(0.0, 0.15)])
        for _ in range(50):
            distance = float(np.exp(rng.uniform(np.log(0.35), np.log(2.6))))
            down = float(np.deg2rad(rng.uniform(12, 75)))
            bearing = float(rng.uniform(0, 2 * np.pi))
            away = (np.cos(bearing) * np.cos(down), np.sin(bearing) * np.cos(down), np.sin(down))
            at = target + distance * np.array(away)
            size = (self._length, self._width, self._height)
            if all(0.15 < value < most - 0.15 for value, most in zip(at, size, strict=True)):
                break
        roll = float(np.deg2rad(rng.normal(0, 4)))
        x, y, z = map(float, at)
        return optical_pose((x, y, z), bearing + np.pi, -down, roll)

    def _furnish_middle(self) -> None:
        """Puts the table, and things on it."""
        rng = self._rng
        x, y = rng.uniform(0.35, 0.65, 2) * (self._length, self._width)
        self._turn_deg = float(rng.uniform(0, 360))
        self._middle = (float(x), float(y))
        if rng.random() < 0.4:
            self._turn_deg = 0.0
            self._half_size_m = (0.65, 0.3, 0.74)
            table = add_desk((*self._middle, 0.0), self._palette)
            add_desk_equipment(table, self._palette)
            count = int(rng.integers(0, 5))
        else:
            size = rng.uniform((0.6, 0.45, 0.4), (1.7, 0.9, 0.95))
            self._half_size_m = (float(size[0] / 2), float(size[1] / 2), float(size[2]))
            table = add_table((*self._middle, 0.0), self._turn_deg, tuple(size), self._palette)
            count = int(rng.integers(2, 16))
        for _ in range(count):
            self._add_thing(table)

    def _to_room(self, x: float, y: float) -> tuple[float, float]:
        """Returns a place of the table's frame in the room's."""
        turn = np.deg2rad(self._turn_deg)
        return (
            float(self._middle[0] + np.cos(turn) * x - np.sin(turn) * y),
            float(self._middle[1] + np.sin(turn) * x + np.cos(turn) * y),
        )

    def _add_thing(self, table: bpy.types.Object) -> None:
        """Puts one thing of a random kind, size and colour onto the table."""
        rng = self._rng
        half_x, half_y, top = self._half_size_m
        x, y = rng.uniform((-0.85, -0.8), (0.85, 0.8)) * (half_x, half_y)
        at = (float(x), float(y), top + 0.001)
        things: list[Callable[[Point, bpy.types.Object], object]] = [
            self._add_box,
            self._add_box,
            self._add_can,
            self._add_bottle,
            self._add_books,
            self._add_page,
            lambda at, table: add_mug(
                at, self._paint_thing(), table, float(rng.uniform(0.8, 1.2))
            ),
            lambda at, table: add_bowl_of_fruit(at, self._palette, table),
        ]
        things[int(rng.integers(len(things)))](at, table)

    def _paint_thing(self) -> Any:
        colour = tuple(self._rng.uniform(0.02, 0.8, 3))
        return surface.plain('thing', colour, float(self._rng.uniform(0.15, 0.8)))

    def _add_box(self, at: Point, table: bpy.types.Object) -> None:
        """Puts a carton, sometimes with a picture on its front."""
        half_x, half_y, high = self._rng.uniform((0.02, 0.02, 0.02), (0.15, 0.1, 0.28))
        low = (at[0] - half_x, at[1] - half_y, at[2])
        add_box(
            'box', low, (at[0] + half_x, at[1] + half_y, at[2] + high), self._paint_thing(), table
        )
        if self._rng.random() < 0.5:
            picture = self._palette[
                str(self._rng.choice(['mountains', 'shapes', 'city_map', 'rug']))
            ]
            corner = (low[0] + 0.005, low[1] - 0.001, low[2] + 0.005)
            add_picture(
                'print',
                corner,
                (2 * half_x - 0.01, 0.0, 0.0),
                (0.0, 0.0, high - 0.01),
                picture,
                table,
            )

    def _add_can(self, at: Point, table: bpy.types.Object) -> None:
        radius, high = self._rng.uniform((0.025, 0.04), (0.06, 0.2))
        add_rod('can', at, (at[0], at[1], at[2] + high), float(radius), self._paint_thing(), table)

    def _add_bottle(self, at: Point, table: bpy.types.Object) -> None:
        radius, high = self._rng.uniform((0.025, 0.12), (0.045, 0.24))
        paint, shoulder = self._paint_thing(), at[2] + high
        add_rod('bottle', at, (at[0], at[1], shoulder), float(radius), paint, table)
        neck = (at[0], at[1], shoulder + 0.07)
        add_rod('neck', (at[0], at[1], shoulder), neck, float(radius) * 0.4, paint, table)

    def _add_books(self, at: Point, table: bpy.types.Object) -> None:
        pile = BookPile(int(self._rng.integers(999)))
        pile.stack(at, int(self._rng.integers(1, 6)), float(self._rng.uniform(0, 360)))
        pile.build(self._palette['spines'], table)

    def _add_page(self, at: Point, table: bpy.types.Object) -> None:
        turn = float(self._rng.uniform(0, 2 * np.pi))
        right = (0.21 * np.cos(turn), 0.21 * np.sin(turn), 0.0)
        up = (-0.297 * np.sin(turn), 0.297 * np.cos(turn), 0.0)
        corner = (at[0], at[1], at[2] + 0.001)
        add_picture('page', corner, right, up, self._palette['page'], table)
