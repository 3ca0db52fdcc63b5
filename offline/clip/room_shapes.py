"""Meshes from numbers: boxes, turned bodies, rods, cushions and cloth.

Lengths are metres. A shape with a `parent` is given in the parent's frame, so a piece of furniture
is modelled around its own origin (standing on z = 0) and then put into the room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Point = tuple[float, float, float]
Material = Any
Object = Any

BOX_FACES = ((0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7))


def add_group(name: str, at: Point, turn_deg: float = 0.0) -> Object:
    """Adds an empty object that carries a piece of furniture.

    Args:
        name: Name in the scene.
        at: Origin of the piece in the room.
        turn_deg: Rotation about the vertical axis, counter-clockwise seen from above.
    """
    group = bpy.data.objects.new(name, None)
    group.location = at
    group.rotation_euler = (0.0, 0.0, np.deg2rad(turn_deg))
    bpy.context.scene.collection.objects.link(group)
    return group


def add_mesh(
    name: str,
    vertices: Sequence[Sequence[float]] | npt.NDArray[np.floating[Any]],
    faces: Sequence[Sequence[int]],
    material: Material,
    parent: Object | None = None,
    *,
    uvs: npt.NDArray[np.floating[Any]] | None = None,
    is_smooth: bool = False,
) -> Object:
    """Adds a mesh object.

    Args:
        name: Name in the scene.
        vertices: Corners, shape (n, 3).
        faces: Corner indices of each face, counter-clockwise seen from outside.
        material: The surface.
        parent: The group the mesh belongs to.
        uvs: Texture coordinates, one pair per corner of each face in order.
        is_smooth: Whether normals are interpolated over the faces.
    """
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([tuple(map(float, v)) for v in vertices], [], [list(f) for f in faces])
    if uvs is not None:
        layer = mesh.uv_layers.new(name='uv')
        layer.data.foreach_set('uv', np.asarray(uvs, np.float32).ravel())
    mesh.materials.append(material)
    mesh.polygons.foreach_set('use_smooth', [is_smooth] * len(mesh.polygons))
    mesh.update()
    thing = bpy.data.objects.new(name, mesh)
    thing.parent = parent
    bpy.context.scene.collection.objects.link(thing)
    return thing


def box_corners(low: Point, high: Point) -> npt.NDArray[np.float64]:
    """Returns the 8 corners, bottom then top, in the order that `BOX_FACES` expects."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    ring = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    return np.array([(x, y, z) for z in (z0, z1) for x, y in ring])


def add_box(
    name: str,
    low: Point,
    high: Point,
    material: Material,
    parent: Object | None = None,
    *,
    bevel: float = 0.004,
) -> Object:
    """Adds a box between two opposite corners, with rounded edges of radius `bevel`."""
    thing = add_mesh(name, box_corners(low, high), BOX_FACES, material, parent)
    if bevel > 0:
        modifier = thing.modifiers.new('bevel', 'BEVEL')
        modifier.width = bevel
        modifier.segments = 2 if bevel < 0.02 else 5
        thing.data.polygons.foreach_set('use_smooth', [bevel >= 0.02] * 6)
    return thing


def add_lathe(
    name: str,
    profile: Sequence[tuple[float, float]],
    material: Material,
    parent: Object | None = None,
    *,
    at: Point = (0.0, 0.0, 0.0),
    segments: int = 32,
) -> Object:
    """Adds a body of revolution about the vertical through `at`.

    Args:
        name: Name in the scene.
        profile: (radius, height) pairs from the bottom outside to the end of the curve.
        material: The surface.
        parent: The group the body belongs to.
        at: Foot of the axis.
        segments: Number of facets around the axis.
    """
    angles = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    vertices = [
        (at[0] + r * np.cos(a), at[1] + r * np.sin(a), at[2] + z)
        for r, z in profile
        for a in angles
    ]
    faces = []
    for ring in range(len(profile) - 1):
        for i in range(segments):
            j = (i + 1) % segments
            low, high = ring * segments, (ring + 1) * segments
            faces.append((low + i, low + j, high + j, high + i))
    return add_mesh(name, vertices, faces, material, parent, is_smooth=True)


def add_rod(
    name: str,
    start: Point,
    end: Point,
    radius: float,
    material: Material,
    parent: Object | None = None,
) -> Object:
    """Adds a round rod with flat ends between two points."""
    axis = np.subtract(end, start)
    length = float(np.linalg.norm(axis))
    axis = axis / length
    side = np.cross(axis, (0.0, 0.0, 1.0) if abs(axis[2]) < 0.9 else (1.0, 0.0, 0.0))
    side /= np.linalg.norm(side)
    other = np.cross(axis, side)
    angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    ring = [radius * (np.cos(a) * side + np.sin(a) * other) for a in angles]
    vertices = [np.add(start, r) for r in ring] + [np.add(end, r) for r in ring]
    faces: list[tuple[int, ...]] = [
        (i, (i + 1) % 14, 14 + (i + 1) % 14, 14 + i) for i in range(14)
    ]
    faces += [tuple(reversed(range(14))), tuple(range(14, 28))]
    return add_mesh(name, np.array(vertices), faces, material, parent)


def grid_faces(rows: int, columns: int) -> list[tuple[int, int, int, int]]:
    """Quads of a rows x columns grid of vertices stored row by row."""
    return [
        (r * columns + c, r * columns + c + 1, (r + 1) * columns + c + 1, (r + 1) * columns + c)
        for r in range(rows - 1)
        for c in range(columns - 1)
    ]


def add_sheet(
    name: str,
    surface: Callable[[float, float], Point],
    rows: int,
    columns: int,
    material: Material,
    parent: Object | None = None,
) -> Object:
    """Adds a curved sheet: `surface` maps (u, v) in the unit square to a point; uv = (u, v)."""
    us, vs = np.linspace(0, 1, columns), np.linspace(0, 1, rows)
    vertices = [surface(float(u), float(v)) for v in vs for u in us]
    faces = grid_faces(rows, columns)
    uvs = np.array([(us[i % columns], vs[i // columns]) for face in faces for i in face])
    return add_mesh(name, vertices, faces, material, parent, uvs=uvs, is_smooth=True)


def add_cushion(
    name: str,
    centre: Point,
    half_sizes: Point,
    material: Material,
    parent: Object | None = None,
    *,
    softness: float = 0.45,
    tilt_deg: Point = (0.0, 0.0, 0.0),
) -> Object:
    """Adds a superellipsoid: `softness` 1 is an ellipsoid, near 0 a box; lightly uneven."""

    def power(value: float) -> float:
        return float(np.sign(value) * abs(value) ** softness)

    def surface(u: float, v: float) -> Point:
        around, up = 2 * np.pi * u, np.pi * (v - 0.5)
        lump = 1 + 0.025 * np.sin(5 * around + 3 * up + 40 * centre[0])
        x = half_sizes[0] * power(np.cos(up)) * power(np.cos(around)) * lump
        y = half_sizes[1] * power(np.cos(up)) * power(np.sin(around)) * lump
        return float(x), float(y), half_sizes[2] * power(np.sin(up))

    thing = add_sheet(name, surface, 25, 49, material, parent)
    thing.location = centre
    thing.rotation_euler = tuple(np.deg2rad(tilt_deg))
    return thing


def add_picture(
    name: str,
    corner: Point,
    right: Point,
    up: Point,
    material: Material,
    parent: Object | None = None,
) -> Object:
    """Adds a flat textured rectangle; its edges `right` and `up` leave its lower left corner."""
    low = np.array(corner, float)
    vertices = np.array([low, low + right, low + np.add(right, up), low + up])
    uvs = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    return add_mesh(name, vertices, [(0, 1, 2, 3)], material, parent, uvs=uvs)
