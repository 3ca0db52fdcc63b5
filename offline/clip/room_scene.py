"""The room: walls, window, door, light, and where everything stands.

The room spans x 0..5, y 0..4, z 0..2.6 m in the frame `map`. The window and the sofa are on the
wall y = 4, the door and the bookshelf on the wall x = 5, the camera walks near the corner (0, 0).
"""

from __future__ import annotations

import bpy
import numpy as np
from room_clutter import (
    BookPile,
    Palette,
    add_bowl_of_fruit,
    add_desk_equipment,
    add_mug,
    add_plant,
)
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
from room_shapes import (
    Point,
    add_box,
    add_cushion,
    add_group,
    add_lathe,
    add_picture,
    add_rod,
    add_sheet,
)

LENGTH, WIDTH, HEIGHT = 5.0, 4.0, 2.6
WALL = 0.22
WINDOW = (1.75, 3.05, 0.92, 2.18)
DOOR = (2.38, 3.2, 2.03)


def build_room() -> None:
    """Empties the scene and models the whole room, with its light."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    palette = build_palette()
    _add_shell(palette)
    _add_window(palette)
    _add_door(palette)
    _add_wall_things(palette)
    _add_sitting_corner(palette)
    _add_bookshelf(palette)
    _add_work_place(palette)
    _add_foreground(palette)
    _add_light()


def _add_shell(palette: Palette) -> None:
    x0, x1, z0, z1 = WINDOW
    outer = WIDTH + WALL
    boxes: tuple[tuple[str, Point, Point], ...] = (
        ('floor', (-WALL, -WALL, -0.2), (LENGTH + WALL, outer, 0.0)),
        ('ceiling', (-WALL, -WALL, HEIGHT), (LENGTH + WALL, outer, HEIGHT + 0.2)),
        ('wall', (-WALL, -WALL, 0.0), (0.0, outer, HEIGHT)),
        ('wall', (0.0, -WALL, 0.0), (LENGTH, 0.0, HEIGHT)),
        ('wall_green', (LENGTH, -WALL, 0.0), (LENGTH + WALL, outer, HEIGHT)),
        ('wall', (0.0, WIDTH, 0.0), (x0, outer, HEIGHT)),
        ('wall', (x1, WIDTH, 0.0), (LENGTH, outer, HEIGHT)),
        ('wall', (x0, WIDTH, 0.0), (x1, outer, z0)),
        ('wall', (x0, WIDTH, z1), (x1, outer, HEIGHT)),
    )
    for name, low, high in boxes:
        add_box(name, low, high, palette[name], bevel=0)
    top, deep, trim = 0.09, 0.014, palette['trim']
    boards: tuple[tuple[Point, Point], ...] = (
        ((0.0, WIDTH - deep, 0.0), (LENGTH, WIDTH, top)),
        ((0.0, 0.0, 0.0), (LENGTH, deep, top)),
        ((LENGTH - deep, 0.0, 0.0), (LENGTH, DOOR[0] - 0.08, top)),
        ((LENGTH - deep, DOOR[1] + 0.08, 0.0), (LENGTH, WIDTH, top)),
    )
    for first, second in boards:
        add_box('skirting', first, second, trim)


def _add_window(palette: Palette) -> None:
    x0, x1, z0, z1 = WINDOW
    trim, y = palette['trim'], WIDTH + 0.1
    middle = (x0 + x1) / 2
    bars: tuple[tuple[float, float, float, float], ...] = (
        (x0, x1, z0, z0 + 0.06),
        (x0, x1, z1 - 0.06, z1),
        (x0, x0 + 0.06, z0, z1),
        (x1 - 0.06, x1, z0, z1),
        (middle - 0.045, middle + 0.045, z0, z1),
        (x0, x1, 1.72, 1.755),
    )
    for index, (left, right, low, high) in enumerate(bars):
        # Staggered, for bars that cross in one plane would hide each other at random.
        inset = 0.003 * index
        near, far = (left, y + inset, low), (right, y + 0.06 - inset, high)
        add_box('window_bar', near, far, trim, bevel=0.006)
    sill = (x0 - 0.06, WIDTH - 0.12, z0 - 0.03), (x1 + 0.06, WIDTH + 0.1, z0 + 0.002)
    add_box('sill', sill[0], sill[1], trim, bevel=0.008)
    outside = (-14.0, 13.0, -4.5), (32.0, 0.0, 0.0), (0.0, 0.0, 18.0)
    view = add_picture('outside', outside[0], outside[1], outside[2], palette['outside'])
    view.visible_shadow = view.visible_diffuse = False
    rail_z = z1 + 0.16
    rail = (x0 - 0.42, WIDTH - 0.1, rail_z), (x1 + 0.42, WIDTH - 0.1, rail_z)
    add_rod('curtain_rail', rail[0], rail[1], 0.014, palette['brass'])
    for left, seed in ((x0 - 0.36, 0.0), (x1 - 0.06, 1.7)):

        def drape(u: float, v: float, left: float = left, seed: float = seed) -> Point:
            folds = np.sin(2 * np.pi * 5.5 * u + seed) * (0.035 + 0.012 * v)
            sway = 0.02 * np.sin(3 * v + 9 * u + seed)
            return (
                left + 0.42 * u + float(sway),
                WIDTH - 0.1 + float(folds),
                rail_z - (rail_z - 0.8) * v,
            )

        add_sheet('curtain', drape, 24, 90, palette['curtain'])


def _add_door(palette: Palette) -> None:
    y0, y1, top = DOOR
    x, trim, door = LENGTH, palette['trim'], palette['door']
    add_box('door', (x - 0.02, y0, 0.005), (x + 0.01, y1, top), door)
    for left, height in ((y0 - 0.08, top + 0.08), (y1, top + 0.08)):
        post = (x - 0.04, left, 0.0), (x, left + 0.08, height)
        add_box('door_frame', post[0], post[1], trim, bevel=0.008)
    add_box('door_frame', (x - 0.04, y0, top), (x, y1, top + 0.08), trim, bevel=0.008)
    middle = (y0 + y1) / 2
    for low_z, high_z in ((0.18, 0.86), (1.06, 1.88)):
        for low_y, high_y in ((y0 + 0.1, middle - 0.05), (middle + 0.05, y1 - 0.1)):
            low, high = (x - 0.034, low_y, low_z), (x - 0.02, high_y, high_z)
            add_box('panel', low, high, door, bevel=0.012)
    steel, y = palette['brass'], y0 + 0.07
    add_box('plate', (x - 0.027, y - 0.02, 0.9), (x - 0.02, y + 0.02, 1.12), steel)
    add_rod('handle', (x - 0.02, y, 1.04), (x - 0.075, y, 1.04), 0.009, steel)
    add_rod('handle', (x - 0.07, y - 0.008, 1.04), (x - 0.07, y + 0.12, 1.04), 0.009, steel)


def _add_wall_things(palette: Palette) -> None:
    wall, black, oak = WIDTH, palette['black'], palette['oak']
    south = (0.0, -1.0, 0.0)
    pictures = (
        ((3.3, wall, 1.22), (0.56, 0.0, 0.0), (0.0, 0.0, 0.78), 'shapes', black),
        ((4.08, wall, 1.3), (0.5, 0.0, 0.0), (0.0, 0.0, 0.7), 'mountains', oak),
    )
    for corner, right, up, name, moulding in pictures:
        add_frame(corner, right, up, palette[name], moulding, south)
    west, up = (-1.0, 0.0, 0.0), (0.0, 0.0, 0.56)
    add_frame((LENGTH, 0.72, 1.3), (0.0, -0.6, 0.0), up, palette['city_map'], black, west)
    y = DOOR[0] - 0.2
    add_box('switch', (LENGTH - 0.012, y - 0.04, 1.05), (LENGTH, y + 0.04, 1.13), palette['trim'])
    socket = (4.9, WIDTH - 0.012, 0.25), (4.98, WIDTH, 0.33)
    add_box('socket', socket[0], socket[1], palette['trim'])
    clock = add_group('clock', (LENGTH, 3.66, 1.86))
    clock.rotation_euler = (0.0, np.deg2rad(-90.0), 0.0)
    rim = [(0.0, 0.0), (0.15, 0.0), (0.15, 0.035), (0.135, 0.035), (0.13, 0.02)]
    add_lathe('clock_rim', rim, black, clock, segments=64)
    add_lathe('clock_face', [(0.13, 0.02), (0.0, 0.021)], palette['ceramic_white'], clock)
    add_rod('hour', (0.0, 0.0, 0.025), (0.05, 0.05, 0.025), 0.005, black, clock)
    add_rod('minute', (0.0, 0.0, 0.028), (0.02, -0.1, 0.028), 0.004, black, clock)
    for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        ends = [(r * float(np.cos(angle)), r * float(np.sin(angle)), 0.023) for r in (0.1, 0.12)]
        add_rod('mark', ends[0], ends[1], 0.003, black, clock)


def _add_sitting_corner(palette: Palette) -> None:
    rug = (2.25, 1.2, 0.006), (1.9, 0.0, 0.0), (0.0, 1.6, 0.0)
    add_box('rug_base', (2.25, 1.2, 0.0), (4.15, 2.8, 0.0055), palette['pad'], bevel=0)
    add_picture('rug', rug[0], rug[1], rug[2], palette['rug'])
    add_sofa((3.95, 3.5, 0.0), 0.0, 1.7, palette)
    add_floor_lamp((4.8, 2.98 + 0.72, 0.0), palette)
    table = add_table((3.1, 2.05, 0.0), 8.0, (1.0, 0.55, 0.42), palette, 'walnut_x')
    pile = BookPile(21)
    top = pile.stack((-0.3, 0.08, 0.421), 3, 20.0)
    pile.stack((0.33, -0.12, 0.421), 2, -30.0)
    pile.build(palette['spines'], table)
    add_mug((-0.3, 0.08, top), palette['ceramic_white'], table)
    add_bowl_of_fruit((0.05, 0.08, 0.421), palette, table)
    page = (-0.22, -0.24, 0.422), (0.26, 0.06, 0.0), (-0.07, 0.3, 0.0)
    add_picture('magazine', page[0], page[1], page[2], palette['page'], table)
    add_armchair((4.35, 0.95, 0.0), 50.0, palette)
    add_plant((4.72, 2.08, 0.0), 1.25, 34, palette['terracotta'], palette, 31)
    profile = [(0.0, 0.0), (0.17, 0.0), (0.21, 0.3), (0.2, 0.31), (0.16, 0.04), (0.0, 0.03)]
    add_lathe('basket', profile, palette['basket'], at=(4.68, 0.32, 0.0), segments=40)
    blanket = (4.68, 0.32, 0.26), (0.17, 0.16, 0.1)
    add_cushion('blanket', blanket[0], blanket[1], palette['pillow_b'], softness=0.7)


def _add_bookshelf(palette: Palette) -> None:
    height, boards, length = 1.98, 6, 1.1
    shelf = add_shelf_frame((4.68, 1.4, 0.0), -90.0, (length, 0.32, height), boards, palette)
    pile, half = BookPile(5), length / 2 - 0.03
    gap = (height - 0.082) / boards
    gaps = ((-half, half), (-half, 0.18), (-0.2, half), (-half, 0.3), (-half, half), (-0.1, half))
    tops = [0.082 + index * gap for index in range(boards)]
    for (left, right), z in zip(gaps, tops, strict=True):
        pile.fill_row(left, right, 0.03, z, gap - 0.035)
    stacked = pile.stack((0.36, 0.15, tops[1]), 4, 5.0)
    pile.stack((-0.36, 0.15, tops[2]), 5, 0.0)
    pile.stack((-0.2, 0.16, height), 3, 10.0)
    pile.build(palette['spines'], shelf)
    vase = [(0.0, 0.0), (0.05, 0.0), (0.08, 0.07), (0.03, 0.17), (0.04, 0.2), (0.03, 0.19)]
    add_lathe('vase', vase, palette['ceramic_red'], shelf, at=(0.42, 0.14, tops[3]))
    add_lathe('vase', vase, palette['ceramic_blue'], shelf, at=(-0.4, 0.14, tops[5]))
    add_cushion(
        'globe',
        (-0.25, 0.15, tops[5] + 0.11),
        (0.1, 0.1, 0.1),
        palette['brass'],
        shelf,
        softness=1.0,
    )
    add_mug((0.36, 0.12, stacked), palette['ceramic_white'], shelf)
    add_plant((4.84, 1.1, height), 0.34, 14, palette['ceramic_white'], palette, 8)
    box = (0.12, 0.03, height), (0.34, 0.28, height + 0.16)
    add_box('box', box[0], box[1], palette['cardboard'], shelf)


def _add_work_place(palette: Palette) -> None:
    desk = add_desk((2.4, 3.62, 0.0), palette)
    add_desk_equipment(desk, palette)
    add_chair((2.3, 2.98, 0.0), 12.0, palette)
    add_plant((2.93, 4.02, 0.922), 0.36, 14, palette['terracotta'], palette, 12)
    carton = (1.28, 3.42, 0.0), (1.68, 3.8, 0.3)
    add_box('carton', carton[0], carton[1], palette['cardboard'])
    pile = BookPile(77)
    pile.stack((1.46, 3.6, 0.301), 5, 12.0)
    pile.build(palette['spines'], None)


def _add_foreground(palette: Palette) -> None:
    table = add_table((1.98, 0.92, 0.0), -6.0, (0.95, 0.72, 0.75), palette)
    pile, top = BookPile(3), 0.751
    high = pile.stack((-0.26, 0.2, top), 4, 15.0)
    pile.build(palette['spines'], table)
    add_mug((-0.26, 0.2, high), palette['ceramic_blue'], table)
    page = (-0.36, -0.3, top + 0.001), (0.3, 0.04, 0.0), (-0.05, 0.4, 0.0)
    add_picture('newspaper', page[0], page[1], page[2], palette['page'], table)
    add_bowl_of_fruit((0.18, -0.08, top), palette, table)
    add_mug((-0.02, 0.12, top), palette['ceramic_red'], table)
    jug = [(0.0, 0.0), (0.06, 0.0), (0.075, 0.09), (0.04, 0.2), (0.05, 0.25), (0.042, 0.245)]
    add_lathe('jug', jug, palette['ceramic_white'], table, at=(0.3, 0.22, top), segments=48)
    add_chair((2.72, 0.95, 0.0), 84.0, palette, 'oak_z')
    add_chair((1.95, 1.52, 0.0), 168.0, palette, 'oak_z')


def add_area_light(
    name: str, at: Point, tilt_deg: Point, size: tuple[float, float]
) -> bpy.types.Object:
    """Adds a rectangular light that the camera does not see."""
    light = bpy.data.lights.new(name, 'AREA')
    light.shape, light.size, light.size_y = 'RECTANGLE', size[0], size[1]
    lamp = bpy.data.objects.new(name, light)
    lamp.location = at
    lamp.rotation_euler = tuple(np.deg2rad(tilt_deg))
    lamp.visible_camera = lamp.visible_glossy = False
    bpy.context.scene.collection.objects.link(lamp)
    return lamp


def _add_light() -> None:
    daylight = add_area_light(
        'daylight', (2.4, WIDTH + 0.08, 1.58), (-78.0, 0.0, 0.0), (1.2, 1.15)
    )
    daylight.data.energy, daylight.data.color = 85.0, (0.86, 0.93, 1.0)
    fill = add_area_light('fill', (2.2, 1.7, HEIGHT - 0.02), (0.0, 0.0, 0.0), (3.2, 2.4))
    fill.data.energy, fill.data.color = 32.0, (1.0, 0.94, 0.86)
    behind = add_area_light('behind', (0.05, 1.6, 1.6), (0.0, -90.0, 0.0), (1.6, 2.4))
    behind.data.energy, behind.data.color = 14.0, (1.0, 0.95, 0.88)
    sun = bpy.data.lights.new('sun', 'SUN')
    sun.energy, sun.angle, sun.color = 16.0, np.deg2rad(1.2), (1.0, 0.86, 0.68)
    lamp = bpy.data.objects.new('sun', sun)
    lamp.rotation_euler = tuple(np.deg2rad((-52.0, 0.0, 12.0)))
    bpy.context.scene.collection.objects.link(lamp)
