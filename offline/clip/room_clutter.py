"""Small things that stand about: books, crockery, plants, papers and desk equipment."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from room_shapes import (
    BOX_FACES,
    Object,
    Point,
    add_box,
    add_cushion,
    add_lathe,
    add_mesh,
    add_picture,
    add_rod,
    add_sheet,
    box_corners,
)
from room_textures import SPINES_ACROSS, SPINES_DOWN

Palette = dict[str, Any]
# Corner order of BOX_FACES: bottom, top, front (-y), right, rear, left.
SPINE_FACE = 2


def _book_uvs(tile: int) -> npt.NDArray[np.float64]:
    """Texture coordinates of one book: the spine on its front, plain cover elsewhere."""
    column, row = tile % SPINES_ACROSS, (tile // SPINES_ACROSS) % SPINES_DOWN
    low = np.array([column / SPINES_ACROSS, row / SPINES_DOWN])
    size = np.array([1 / SPINES_ACROSS, 1 / SPINES_DOWN])
    square = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
    plain = low + size * (0.03 + 0.03 * square)
    faces = [plain] * 6
    faces[SPINE_FACE] = low + size * (0.06 + 0.88 * square)
    return np.concatenate(faces)


class BookPile:
    """Collects books as one mesh, in the frame of the furniture that carries them."""

    def __init__(self, seed: int) -> None:
        """Starts empty; `seed` fixes the sizes and covers."""
        self._rng = np.random.default_rng(seed)
        self._vertices: list[npt.NDArray[np.float64]] = []
        self._faces: list[tuple[int, ...]] = []
        self._uvs: list[npt.NDArray[np.float64]] = []

    def add(self, corners: npt.NDArray[np.float64]) -> None:
        """Adds one book by its 8 corners, spine at the front (-y)."""
        start = 8 * len(self._vertices)
        self._vertices.append(corners)
        self._faces += [tuple(start + i for i in face) for face in BOX_FACES]
        self._uvs.append(_book_uvs(int(self._rng.integers(SPINES_ACROSS * SPINES_DOWN))))

    def fill_row(self, left: float, right: float, front: float, z: float, tallest: float) -> None:
        """Stands books side by side from `left` to `right`; the last few lean."""
        x = left
        while True:
            thick = float(self._rng.uniform(0.016, 0.05))
            if x + thick > right:
                return
            height = tallest * float(self._rng.uniform(0.62, 0.97))
            near = front + float(self._rng.uniform(0.005, 0.05))
            corners = box_corners((x, near, z), (x + thick - 0.001, near + 0.19, z + height))
            if right - x < 0.16:
                corners[4:, 0] -= 0.06
                x += 0.014
            self.add(corners)
            x += thick

    def stack(self, centre: Point, count: int, turn_deg: float = 0.0) -> float:
        """Lays books flat on each other; returns the height of the top of the pile."""
        z = centre[2]
        for _ in range(count):
            thick = float(self._rng.uniform(0.018, 0.045))
            half_x, half_y = self._rng.uniform((0.1, 0.075), (0.14, 0.1))
            corners = box_corners((-half_x, -half_y, 0.0), (half_x, half_y, thick))
            angle = np.deg2rad(turn_deg + float(self._rng.uniform(-22, 22)))
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            corners[:, :2] = corners[:, :2] @ turn.T
            self.add(corners + np.array([centre[0], centre[1], z]))
            z += thick + 0.0005
        return z

    def build(self, material: Any, parent: Object | None) -> Object:
        """Puts all books into the scene."""
        uvs = np.concatenate(self._uvs)
        return add_mesh(
            'books', np.concatenate(self._vertices), self._faces, material, parent, uvs=uvs
        )


def add_mug(at: Point, material: Any, parent: Object | None = None, scale: float = 1.0) -> None:
    """Adds a mug with a handle, 9.5 cm high at scale 1."""
    profile = [
        (0.0, 0.0),
        (0.036, 0.0),
        (0.041, 0.01),
        (0.041, 0.095),
        (0.037, 0.095),
        (0.036, 0.015),
    ]
    scaled = [(r * scale, z * scale) for r, z in [*profile, (0.0, 0.012)]]
    add_lathe('mug', scaled, material, parent, at=at)
    angles = np.linspace(-1.25, 1.25, 7)
    points = [
        (
            at[0] + scale * (0.036 + 0.032 * float(np.cos(a))),
            at[1],
            at[2] + scale * (0.05 + 0.032 * float(np.sin(a))),
        )
        for a in angles
    ]
    for first, second in pairwise(points):
        add_rod('handle', first, second, 0.006 * scale, material, parent)


def add_bowl_of_fruit(at: Point, palette: Palette, parent: Object | None = None) -> None:
    """Adds a shallow bowl with apples and oranges."""
    profile = [(0.0, 0.0), (0.06, 0.0), (0.13, 0.065), (0.125, 0.067), (0.06, 0.012), (0.0, 0.01)]
    add_lathe('bowl', profile, palette['ceramic_blue'], parent, at=at, segments=48)
    spots = ((-0.05, 0.0), (0.04, 0.045), (0.045, -0.04), (0.0, 0.005))
    names = ('orange', 'apple', 'apple_green', 'orange')
    for index, ((x, y), name) in enumerate(zip(spots, names, strict=True)):
        z = at[2] + (0.055 if index < 3 else 0.108)
        centre = (at[0] + x, at[1] + y, z)
        add_cushion('fruit', centre, (0.039, 0.039, 0.036), palette[name], parent, softness=0.95)


def add_leaf(root: Point, heading: float, length: float, rise: float, material: Any) -> None:
    """Adds one leaf that rises from `root`, then bends over towards `heading` (radians)."""
    forward = np.array([np.cos(heading), np.sin(heading), 0.0])
    side = np.array([-np.sin(heading), np.cos(heading), 0.0])

    def surface(u: float, v: float) -> Point:
        across = (u - 0.5) * 0.36 * length * np.sin(np.pi * min(v + 0.03, 1.0)) ** 0.8
        reach = length * v * (0.55 + 0.35 * v)
        height = length * (rise * v - 0.75 * v**2) + 0.5 * abs(across)
        point = np.array(root) + forward * reach + side * across + (0.0, 0.0, height)
        return float(point[0]), float(point[1]), float(point[2])

    add_sheet('leaf', surface, 9, 5, material)


def add_plant(
    at: Point, height: float, leaves: int, pot: Any, palette: Palette, seed: int
) -> None:
    """Adds a pot plant of about the given height in metres."""
    rng = np.random.default_rng(seed)
    unit = height / 1.2
    profile = [(0.0, 0.0), (0.11, 0.0), (0.155, 0.28), (0.165, 0.3), (0.14, 0.3), (0.13, 0.26)]
    scaled = [(r * unit, z * unit) for r, z in profile]
    add_lathe('pot', scaled, pot, at=at, segments=40)
    soil = (at[0], at[1], at[2] + 0.25 * unit)
    add_lathe('soil', [(0.13 * unit, 0.01), (0.0, 0.02)], palette['soil'], at=soil)
    for _ in range(max(3, leaves // 9)):
        lean = rng.normal(0, 0.07, 2) * unit
        top = (at[0] + lean[0], at[1] + lean[1], at[2] + height * float(rng.uniform(0.6, 0.85)))
        add_rod('stem', soil, top, 0.008 * unit, palette['stem'])
        for _ in range(9):
            part = float(rng.uniform(0.25, 1.0))
            root = tuple(float(a + part * (b - a)) for a, b in zip(soil, top, strict=True))
            length = float(rng.uniform(0.2, 0.38)) * unit
            heading = float(rng.uniform(0, 2 * np.pi))
            rise = float(rng.uniform(0.5, 1.2))
            add_leaf((root[0], root[1], root[2]), heading, length, rise, palette['leaf'])


def add_desk_equipment(group: Object, palette: Palette) -> None:
    """Puts a monitor, keyboard, mouse, lamp, papers, pens and a mug onto the desk."""
    top, black = 0.741, palette['black']
    add_box('stand', (-0.14, 0.08, top), (0.1, 0.22, top + 0.012), black, group)
    add_box('neck', (-0.05, 0.15, top), (0.01, 0.18, top + 0.22), black, group)
    add_box('monitor', (-0.31, 0.13, top + 0.1), (0.27, 0.155, top + 0.44), black, group)
    corner = (-0.3, 0.129, top + 0.112)
    add_picture('screen', corner, (0.56, 0, 0), (0, 0, 0.316), palette['screen'], group)
    add_box('keyboard', (-0.26, -0.16, top), (0.18, -0.03, top + 0.016), black, group)
    for row in range(4):
        for column in range(14):
            x, y = -0.25 + 0.03 * column, -0.15 + 0.029 * row
            key = (x, y, top + 0.016), (x + 0.024, y + 0.023, top + 0.022)
            add_box('key', key[0], key[1], palette['key'], group, bevel=0.0)
    add_cushion('mouse', (0.25, -0.1, top + 0.012), (0.03, 0.05, 0.016), black, group)
    add_mug((0.4, 0.05, top), palette['ceramic_red'], group)
    add_lathe('pens', [(0.0, 0.0), (0.035, 0.0), (0.035, 0.1)], black, group, at=(0.55, 0.2, top))
    for index in range(5):
        tip = (0.53 + 0.018 * index, 0.22 - 0.015 * (index % 3), top + 0.17)
        pen = palette[('ceramic_red', 'ceramic_blue', 'apple_green')[index % 3]]
        add_rod('pen', (0.55, 0.2, top + 0.02), tip, 0.004, pen, group)
    sheets = (-0.58, -0.22, top + 0.001), (0.2, 0.06, 0.0), (-0.08, 0.26, 0.0)
    add_picture('papers', sheets[0], sheets[1], sheets[2], palette['page'], group)
    add_rod('lamp_arm', (-0.55, 0.2, top), (-0.5, 0.2, top + 0.36), 0.008, palette['brass'], group)
    add_rod(
        'lamp_arm',
        (-0.5, 0.2, top + 0.36),
        (-0.36, 0.1, top + 0.44),
        0.008,
        palette['brass'],
        group,
    )
    shade = [(0.07, 0.0), (0.025, 0.09), (0.0, 0.095)]
    add_lathe('lamp_head', shade, palette['ceramic_red'], group, at=(-0.35, 0.09, top + 0.36))
    add_lathe(
        'lamp_foot', [(0.07, 0.0), (0.07, 0.015), (0.0, 0.02)], black, group, at=(-0.55, 0.2, top)
    )
