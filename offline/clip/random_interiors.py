"""Interiors at random, by a seed: living rooms, corridors, halls and kitchens."""

from __future__ import annotations

from collections.abc import Callable

import bpy
import numpy as np
import room_materials as surface
from random_room import RandomRoom
from random_tabletop import RandomTabletop
from room_clutter import BookPile, add_desk_equipment, add_mug
from room_furniture import add_chair, add_desk, add_shelf_frame
from room_scene import add_area_light
from room_shapes import Point, add_box, add_group, add_rod

LIVING_ROOMS = 16
"""The first so many seeds are living rooms; the four kinds take turns after them."""


def model_interior(seed: int) -> RandomRoom:
    """Empties the scene and models the interior of a seed."""
    kinds = (RandomRoom, RandomCorridor, RandomHall, RandomKitchen)
    return (kinds[seed % len(kinds)] if seed >= LIVING_ROOMS else RandomRoom)(seed)


def model_dataset_interior(seed: int) -> RandomRoom:
    """Empties the scene and models an interior for training: two in six are tabletops."""
    kinds = (RandomRoom, RandomTabletop, RandomKitchen, RandomHall, RandomTabletop, RandomCorridor)
    return kinds[seed % len(kinds)](seed)


class LampRows(RandomRoom):
    """A room with rows of lamps under its ceiling."""

    def _add_lamps(self, counts: tuple[int, int]) -> None:
        """Hangs lamps of one brightness in a grid.

        Args:
            counts: Along the length and the width.
        """
        rng = self._rng
        colour = (1.0, float(rng.uniform(0.8, 1.0)), float(rng.uniform(0.65, 1.0)))
        watts = float(rng.uniform(2.0, 7.0)) * self._length * self._width / np.prod(counts)
        size = (float(rng.uniform(0.3, 1.2)), float(rng.uniform(0.15, 0.6)))
        for x in (np.arange(counts[0]) + 0.5) * self._length / counts[0]:
            for y in (np.arange(counts[1]) + 0.5) * self._width / counts[1]:
                at = (float(x), float(y), self._height - 0.03)
                lamp = add_area_light('lamp', at, (0.0, 0.0, 0.0), size)
                lamp.data.energy, lamp.data.color = float(watts), colour


class RandomCorridor(LampRows):
    """A long narrow room with doors on both sides, several lamps, and little furniture."""

    lowest_size_m, highest_size_m = (6.0, 1.5, 2.3), (14.0, 2.4, 3.3)

    def _light(self) -> None:
        """Hangs a row of lamps under the ceiling."""
        self._add_lamps((int(self._length / 2.5), 1))

    def _furnish_wall(self, wall: int) -> None:
        """Puts doors into one wall, and sometimes something between two of them."""
        rng = self._rng
        along = self._length if wall % 2 == 0 else self._width
        at = float(rng.uniform(0.2, 1.0))
        while at < along - 1.1:
            spot, turn = self._spot(wall, at + 0.45, 0.0)
            self._add_door(spot, turn)
            if wall % 2 == 0 and at < along - 2.4 and rng.random() < 0.5:
                add, deep = self._draw_narrow_piece()
                spot, turn = self._spot(wall, at + 1.6, deep)
                if self._take(spot, 0.35):
                    add((*spot, 0.0), turn)
                else:
                    self._hang(wall, at + 1.6)
            at += float(rng.uniform(1.9, 3.5))

    def _furnish_middle(self) -> None:
        """Leaves the way free."""

    def _add_door(self, spot: tuple[float, float], turn: float) -> None:
        """Adds a closed door with its frame, in front of the wall."""
        rng, palette, group = self._rng, self._palette, add_group('door', (*spot, 0.0), turn)
        for left, right in ((-0.52, -0.45), (0.45, 0.52)):
            add_box('frame', (left, -0.03, 0.0), (right, 0.0, 2.1), palette['trim'], group)
        add_box('frame', (-0.52, -0.03, 2.03), (0.52, 0.0, 2.1), palette['trim'], group)
        material = palette[str(rng.choice(['door', 'oak', 'lacquer']))]
        add_box('leaf', (-0.45, -0.02, 0.01), (0.45, 0.0, 2.03), material, group)
        add_rod('handle', (0.3, -0.06, 1.0), (0.41, -0.06, 1.0), 0.01, palette['steel'], group)

    def _draw_narrow_piece(self) -> tuple[Callable[[Point, float], object], float]:
        """Returns what adds a piece that leaves the way free, and how far off the wall it is."""
        tall = float(self._rng.uniform(0.7, 1.9))
        pieces: list[tuple[Callable[[Point, float], object], float]] = [
            (lambda at, turn: self._add_cabinet(at, turn, (0.6, 0.3, tall)), 0.17),
            (lambda at, turn: add_chair(at, turn + 180.0, self._palette), 0.28),
            (self._add_plant, 0.25),
            (self._add_bin, 0.2),
        ]
        return pieces[int(self._rng.integers(len(pieces)))]

    def _add_bin(self, at: Point, _turn_deg: float) -> None:
        group, height = add_group('bin', at), float(self._rng.uniform(0.4, 0.9))
        add_rod('bin', (0.0, 0.0, 0.0), (0.0, 0.0, height), 0.15, self._palette['steel'], group)


class RandomHall(LampRows):
    """An office, classroom or shop: large, with rows of desks, tables or shelves."""

    lowest_size_m, highest_size_m = (7.0, 6.0, 2.6), (14.0, 11.0, 4.2)

    def _light(self) -> None:
        """Hangs lamps in rows under the ceiling."""
        self._add_lamps((int(self._length / 2.5), int(self._width / 2.5)))

    def _furnish_middle(self) -> None:
        """Fills the floor with rows of one kind, with gaps."""
        rng = self._rng
        kind = int(rng.integers(3))
        step = rng.uniform((1.8, 1.9), (2.6, 3.2))
        for x in np.arange(1.6, self._length - 1.4, step[0]):
            for y in np.arange(1.6, self._width - 1.4, step[1]):
                spot = (float(x + rng.normal(0, 0.04)), float(y + rng.normal(0, 0.04)))
                if rng.random() < 0.8 and self._take(spot, 0.7):
                    self._add_row_piece(kind, spot)

    def _add_row_piece(self, kind: int, spot: tuple[float, float]) -> None:
        rng = self._rng
        if kind == 0:
            desk = add_desk((*spot, 0.0), self._palette)
            if rng.random() < 0.8:
                add_desk_equipment(desk, self._palette)
            seat = (spot[0] + float(rng.normal(0, 0.1)), spot[1] - 0.6, 0.0)
            add_chair(seat, float(rng.normal(0, 25)), self._palette)
        elif kind == 1:
            self._add_table(spot, float(rng.choice([0.0, 90.0, rng.uniform(0, 360)])))
        else:
            self._add_aisle_shelf(spot)

    def _add_aisle_shelf(self, spot: tuple[float, float]) -> None:
        """Adds a high shelf along x with books and boxes."""
        rng, palette = self._rng, self._palette
        boards = int(rng.integers(3, 6))
        shelf = add_shelf_frame((*spot, 0.0), 0.0, (1.6, 0.36, 0.38 * boards), boards, palette)
        pile = BookPile(int(rng.integers(999)))
        for board in range(boards):
            z = 0.082 + board * (0.38 * boards - 0.082) / boards
            if board == 0 or rng.random() < 0.5:
                pile.fill_row(-0.75, float(rng.uniform(-0.2, 0.7)), 0.03, z, 0.3)
            else:
                for x in np.arange(-0.7, float(rng.uniform(-0.3, 0.6)), 0.28):
                    high = (float(x) + 0.24, 0.12, z + float(rng.uniform(0.1, 0.28)))
                    material = palette[str(rng.choice(['cardboard', 'lacquer', 'ceramic_blue']))]
                    add_box('box', (float(x), -0.12, z), high, material, shelf)
        pile.build(palette['spines'], shelf)


class RandomKitchen(RandomRoom):
    """A small room with a worktop, cupboards under and above it, and a table."""

    lowest_size_m, highest_size_m = (2.6, 2.4, 2.3), (5.0, 4.2, 2.8)

    def _furnish_wall(self, wall: int) -> None:
        """Puts a worktop along two walls; the others have what living rooms have."""
        if wall in (0, 1):
            self._add_worktop(wall)
        elif self._rng.random() < 0.6:
            super()._furnish_wall(wall)

    def _add_worktop(self, wall: int) -> None:
        rng, palette = self._rng, self._palette
        along = self._length if wall == 0 else self._width
        wide = float(rng.uniform(0.5, 0.95)) * along
        spot, turn = self._spot(wall, wide / 2, 0.0)
        group = add_group('worktop', (*spot, 0.0), turn)
        front = palette[str(rng.choice(['lacquer', 'white_lacquer', 'oak']))]
        top = palette['walnut_x']
        tiles = surface.plain('tiles', tuple(rng.uniform(0.3, 0.8, 3)), 0.2)
        half = wide / 2
        add_box('top', (-half, -0.63, 0.87), (half, 0.0, 0.91), top, group)
        add_box('tiles', (-half, -0.012, 0.91), (half, 0.0, 1.4), tiles, group, bevel=0)
        for x in np.arange(-half, half - 0.3, 0.6):
            left, right = float(x) + 0.004, min(float(x) + 0.596, half)
            add_box('cupboard', (left, -0.6, 0.1), (right, 0.0, 0.86), front, group)
            bar = ((left + 0.1, -0.625, 0.78), (right - 0.1, -0.625, 0.78))
            add_rod('bar', *bar, 0.008, palette['steel'], group)
            if rng.random() < 0.7:
                add_box('upper', (left, -0.35, 1.42), (right, 0.0, 2.1), front, group)
            if rng.random() < 0.5:
                self._add_utensil((float(left + right) / 2, -0.3, 0.91), group)
        self._taken.append((*self._spot(wall, wide / 2, 0.3)[0], 0.6))

    def _add_utensil(self, at: Point, group: bpy.types.Object) -> None:
        """Puts a mug, a pot or a box onto the worktop."""
        rng, palette = self._rng, self._palette
        kind = int(rng.integers(3))
        if kind == 0:
            add_mug(at, palette['ceramic_white'], group)
        elif kind == 1:
            radius, top = float(rng.uniform(0.08, 0.14)), at[2] + float(rng.uniform(0.08, 0.25))
            end = (at[0], at[1], top)
            add_rod('pot', at, end, radius, palette['steel'], group)
        else:
            wide, high = map(float, rng.uniform(0.1, 0.25, 2))
            low = (at[0] - wide, at[1] - 0.12, at[2])
            add_box(
                'box', low, (at[0] + wide, at[1] + 0.12, at[2] + high), palette['black'], group
            )
