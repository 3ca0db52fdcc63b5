"""All surfaces of the room by name."""

from __future__ import annotations

from typing import Any

import room_materials as surface
import room_textures as drawn


def build_palette() -> dict[str, Any]:
    """Creates every material once; colours are linear RGB."""
    return {**_building(), **_woods(), **_cloths(), **_pictures(), **_things()}


def _building() -> dict[str, Any]:
    return {
        'wall': surface.paint('wall', (0.72, 0.67, 0.58)),
        'wall_green': surface.paint('wall_green', (0.33, 0.4, 0.33)),
        'ceiling': surface.paint('ceiling', (0.82, 0.81, 0.78)),
        'floor': surface.planks('floor'),
        'trim': surface.plain('trim', (0.8, 0.79, 0.75), 0.35),
        'door': surface.plain('door', (0.74, 0.73, 0.69), 0.38),
        'outside': surface.picture_material('outside', drawn.street_view(8), glow=4.5),
        'shade': surface.glowing('shade', (1.0, 0.72, 0.42), 3.2),
    }


def _woods() -> dict[str, Any]:
    oak = ((0.5, 0.31, 0.16), (0.33, 0.18, 0.08))
    walnut = ((0.2, 0.1, 0.052), (0.09, 0.042, 0.022))
    return {
        'oak': surface.wood('oak', *oak, 'x'),
        'oak_y': surface.wood('oak_y', *oak, 'y'),
        'oak_z': surface.wood('oak_z', *oak, 'z'),
        'walnut': surface.wood('walnut', *walnut, 'z'),
        'walnut_x': surface.wood('walnut_x', *walnut, 'x'),
        'walnut_y': surface.wood('walnut_y', *walnut, 'y'),
    }


def _cloths() -> dict[str, Any]:
    return {
        'sofa': surface.fabric('sofa', (0.1, 0.18, 0.21)),
        'armchair': surface.fabric('armchair', (0.42, 0.2, 0.06)),
        'pad': surface.fabric('pad', (0.5, 0.46, 0.36), stripe=(0.3, 0.1, 0.08)),
        'pillow_a': surface.fabric('pillow_a', (0.62, 0.3, 0.08)),
        'pillow_b': surface.fabric('pillow_b', (0.6, 0.55, 0.45), stripe=(0.12, 0.16, 0.25)),
        'throw': surface.picture_material('throw', drawn.kilim_rug(14), 0.95),
        'curtain': surface.fabric('curtain', (0.58, 0.5, 0.38), stripe=(0.62, 0.55, 0.45)),
        'basket': surface.fabric('basket', (0.4, 0.26, 0.12), stripe=(0.45,) * 3, pitch=16.0),
        'rug': surface.picture_material('rug', drawn.kilim_rug(4), 0.97),
    }


def _pictures() -> dict[str, Any]:
    return {
        'mountains': surface.picture_material('mountains', drawn.mountain_poster(1), 0.25),
        'shapes': surface.picture_material('shapes', drawn.shapes_poster(2), 0.3),
        'city_map': surface.picture_material('city_map', drawn.city_map_poster(3), 0.4),
        'spines': surface.picture_material('spines', drawn.book_spines(5), 0.5),
        'page': surface.picture_material('page', drawn.printed_page(6), 0.8),
        'screen': surface.picture_material('screen', drawn.desktop_screen(7), glow=0.9),
    }


def _things() -> dict[str, Any]:
    return {
        'white_lacquer': surface.plain('white_lacquer', (0.7, 0.7, 0.68), 0.3),
        'black': surface.plain('black', (0.018, 0.018, 0.02), 0.4),
        'key': surface.plain('key', (0.09, 0.09, 0.1), 0.5),
        'steel': surface.plain('steel', (0.55, 0.55, 0.56), 0.28, metallic=1.0),
        'brass': surface.plain('brass', (0.6, 0.42, 0.16), 0.3, metallic=1.0),
        'ceramic_blue': surface.plain('ceramic_blue', (0.05, 0.14, 0.34), 0.15),
        'ceramic_red': surface.plain('ceramic_red', (0.5, 0.06, 0.035), 0.18),
        'ceramic_white': surface.plain('ceramic_white', (0.78, 0.75, 0.68), 0.2),
        'terracotta': surface.plain('terracotta', (0.42, 0.15, 0.07), 0.8),
        'cardboard': surface.plain('cardboard', (0.4, 0.26, 0.14), 0.9),
        'apple': surface.plain('apple', (0.46, 0.03, 0.02), 0.3),
        'apple_green': surface.plain('apple_green', (0.26, 0.38, 0.05), 0.3),
        'orange': surface.plain('orange', (0.75, 0.24, 0.02), 0.45),
        'soil': surface.plain('soil', (0.03, 0.02, 0.014), 0.95),
        'stem': surface.plain('stem', (0.12, 0.1, 0.04), 0.7),
        'leaf': surface.leaf('leaf'),
    }
