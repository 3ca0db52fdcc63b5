"""Pictures drawn with numpy: posters, rug, book spines, papers and the view from the window.

Every function returns an sRGB picture as uint8 of shape (height, width, 3), RGB, first row at the
top. Nothing is downloaded: a fixed seed gives the same picture each time.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

WARM: tuple[Colour, ...] = (
    (196, 78, 52),
    (226, 164, 78),
    (238, 222, 190),
    (44, 82, 102),
    (92, 134, 120),
    (60, 44, 48),
)
COVERS: tuple[Colour, ...] = (
    (124, 38, 34),
    (34, 46, 78),
    (186, 148, 84),
    (48, 72, 58),
    (214, 204, 182),
    (40, 38, 42),
    (98, 66, 46),
    (70, 108, 118),
    (178, 96, 52),
    (226, 220, 208),
    (112, 116, 120),
    (150, 62, 70),
)
SPINES_ACROSS = 16
SPINES_DOWN = 8
SPINE_SIZE = (64, 256)


def fractal_noise(
    rng: np.random.Generator, height: int, width: int, cell: float, octaves: int = 4
) -> npt.NDArray[np.float32]:
    """Sum of smoothly enlarged random grids, scaled to 0..1.

    Args:
        rng: Source of the random grids.
        height: Rows of the result.
        width: Columns of the result.
        cell: Size of the coarsest grid cell in pixels.
        octaves: Number of grids; each has half the cell and half the weight of the one before.
    """
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        step = cell / 2**octave
        shape = (max(2, round(height / step) + 1), max(2, round(width / step) + 1))
        grid = rng.random(shape, dtype=np.float32)
        enlarged = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        total += np.asarray(enlarged, np.float32) / 2**octave
    total -= total.min()
    return total / max(float(total.max()), 1e-6)


def _finish(picture: npt.NDArray[np.floating[Any]]) -> Picture:
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def _write(
    picture: Picture,
    text: str,
    at: tuple[int, int],
    scale: float,
    colour: Colour,
    thickness: int = 2,
) -> None:
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_DUPLEX, scale, colour, thickness, cv2.LINE_AA)


def mountain_poster(seed: int) -> Picture:
    """Ridges behind ridges under an evening sky, with a white margin and a caption."""
    rng = np.random.default_rng(seed)
    height, width = 700, 500
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    dusk = (1 - rows) * np.array([70, 104, 150], np.float32)
    glow = rows * np.array([248, 190, 128], np.float32)
    canvas = _finish(dusk + glow + np.zeros((1, width, 1)))
    cv2.circle(canvas, (340, 210), 58, (252, 226, 170), -1, cv2.LINE_AA)
    for layer in range(6):
        line = fractal_noise(rng, 1, width, 260 / (1 + layer), 5)[0]
        top = (200 + 75 * layer + (line - 0.5) * (230 - 22 * layer)).astype(int)
        shade = np.array([128, 124, 150]) * (1 - layer / 7) + np.array([14, 30, 36])
        for column in range(width):
            canvas[max(top[column], 0) :, column] = shade
        grain = fractal_noise(rng, height, width, 18, 3)[..., None]
        mask = (np.arange(height)[:, None] >= top[None, :])[..., None]
        canvas = _finish(canvas.astype(np.float32) + mask * (grain - 0.5) * 46)
    cv2.rectangle(canvas, (0, 0), (width - 1, height - 1), (244, 240, 230), 44)
    cv2.rectangle(canvas, (0, height - 74), (width - 1, height - 1), (244, 240, 230), -1)
    _write(canvas, 'ALTA VIA 3172 m', (112, 674), 0.95, (60, 56, 60))
    return canvas


def shapes_poster(seed: int) -> Picture:
    """Overlapping circles, bars and arcs in a few strong colours, as on a concert poster."""
    rng = np.random.default_rng(seed)
    canvas = np.full((700, 500, 3), (240, 228, 202), np.uint8)
    for row in range(5):
        for column in range(4):
            corner = (20 + 115 * column, 24 + 115 * row)
            centre = (corner[0] + 57, corner[1] + 57)
            first, second = rng.choice(len(WARM), 2, replace=False)
            far = (corner[0] + 112, corner[1] + 112)
            cv2.rectangle(canvas, corner, far, WARM[first], -1)
            kind = int(rng.integers(4))
            if kind == 0:
                cv2.circle(canvas, centre, 50, WARM[second], -1, cv2.LINE_AA)
                cv2.circle(canvas, centre, 22, WARM[first], -1, cv2.LINE_AA)
            elif kind == 1:
                cv2.ellipse(canvas, corner, (110, 110), 0, 0, 90, WARM[second], -1, cv2.LINE_AA)
            elif kind == 2:
                for bar in range(0, 112, 28):
                    start = (corner[0] + bar, corner[1])
                    cv2.rectangle(canvas, start, (start[0] + 13, far[1]), WARM[second], -1)
            else:
                triangle = np.array([corner, (far[0], corner[1]), far], np.int32)
                cv2.fillPoly(canvas, [triangle], WARM[second], cv2.LINE_AA)
    _write(canvas, 'KAMMERMUSIK', (26, 648), 1.6, (52, 40, 44), 3)
    _write(canvas, 'Saal 2 / 19 Uhr / Eintritt frei', (28, 682), 0.74, (52, 40, 44))
    return canvas


def city_map_poster(seed: int) -> Picture:
    """A town plan: blocks, streets, a river, parks and names."""
    rng = np.random.default_rng(seed)
    height, width = 520, 760
    canvas = np.full((height, width, 3), (236, 226, 206), np.uint8)
    for _ in range(420):
        centre = (float(rng.uniform(0, width)), float(rng.uniform(0, height)))
        sides = (float(rng.uniform(12, 46)), float(rng.uniform(12, 46)))
        corners = cv2.boxPoints((centre, sides, 24.0))
        tone = int(rng.integers(-16, 16))
        colour = (216 + tone, 196 + tone, 166 + tone)
        if rng.random() < 0.1:
            colour = (150 + tone, 182 + tone, 128 + tone)
        cv2.fillPoly(canvas, [corners.astype(np.int32)], colour, cv2.LINE_AA)
    columns = np.arange(-20, width + 20, 8)
    river = 260 + 90 * np.sin(columns / 150) + 20 * np.sin(columns / 37)
    line = np.stack([columns, river], axis=1).astype(np.int32)
    cv2.polylines(canvas, [line], isClosed=False, color=(118, 160, 184), thickness=34)
    for _ in range(26):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        angle = np.deg2rad(24 + 90 * rng.integers(2) + rng.normal(0, 5))
        step = 900 * np.array([np.cos(angle), np.sin(angle)])
        ends = [(int(x + s * step[0]), int(y + s * step[1])) for s in (-1, 1)]
        cv2.line(canvas, ends[0], ends[1], (250, 246, 236), int(rng.integers(2, 8)), cv2.LINE_AA)
    for name in ('Altstadt', 'Hafen', 'Nordpark', 'Bahnhof', 'Markt', 'Ufer'):
        at = (int(rng.uniform(30, width - 170)), int(rng.uniform(60, height - 40)))
        _write(canvas, name, at, 0.8, (92, 48, 42))
    cv2.rectangle(canvas, (0, 0), (width - 1, height - 1), (84, 60, 44), 12)
    return canvas


def kilim_rug(seed: int) -> Picture:
    """A woven rug: bands of stepped diamonds, mirrored left to right, with a border."""
    rng = np.random.default_rng(seed)
    rows, columns = 96, 128
    palette = np.array(
        [(142, 44, 38), (30, 46, 74), (214, 186, 142), (176, 106, 52), (70, 88, 78)], np.float32
    )
    y, x = np.mgrid[0:rows, 0:columns]
    band = y // 16
    phase = np.abs((x % 32) - 16) + np.abs((y % 16) - 8) * 2
    index = (phase // 5 + band * 2) % len(palette)
    index = np.where((y % 16) < 2, (band + x // 4) % len(palette), index)
    index = np.where(x < columns // 2, index, index[:, ::-1])
    edge = np.minimum(np.minimum(y, rows - 1 - y), np.minimum(x, columns - 1 - x))
    index = np.where(edge < 7, np.where((x // 3 + y // 3) % 2 == 0, 1, 2), index)
    index = np.where((edge < 2) | (edge == 7), 0, index)
    rug = cv2.resize(palette[index], (1280, 960), interpolation=cv2.INTER_NEAREST)
    wool = fractal_noise(rng, 960, 1280, 90, 7)[..., None] - 0.5
    weave = (np.arange(960) % 5 < 2)[:, None, None] * 12.0
    return _finish(rug + wool * 70 - weave)


def book_spines(seed: int) -> Picture:
    """An atlas of SPINES_DOWN x SPINES_ACROSS spines; the outer 6 pixels of a tile are plain."""
    rng = np.random.default_rng(seed)
    wide, tall = SPINE_SIZE
    atlas = np.zeros((tall * SPINES_DOWN, wide * SPINES_ACROSS, 3), np.uint8)
    words = ('NOVA', 'ROUTEN', 'ATLAS', 'MEER', 'LICHT', 'STADT', 'WINTER', 'KRAFT', 'FORM')
    for row in range(SPINES_DOWN):
        for column in range(SPINES_ACROSS):
            cover = np.array(COVERS[int(rng.integers(len(COVERS)))])
            base = np.clip(cover * rng.uniform(0.75, 1.2) + rng.normal(0, 7, 3), 8, 250).astype(
                int
            )
            ink = (236, 226, 196) if base.sum() < 380 else (34, 30, 36)
            tile = np.empty((tall, wide, 3), np.uint8)
            tile[:] = base
            for _ in range(int(rng.integers(1, 4))):
                top = int(rng.integers(12, tall - 30))
                other = COVERS[int(rng.integers(len(COVERS)))]
                cv2.rectangle(
                    tile, (6, top), (wide - 7, top + int(rng.integers(3, 16))), other, -1
                )
            sideways = np.empty((wide, 190, 3), np.uint8)
            sideways[:] = base
            _write(sideways, str(rng.choice(words)), (4, 44), 1.35, ink, 3)
            tile[34:224, 8 : wide - 8] = np.rot90(sideways, 3)[:, 8 : wide - 8]
            atlas[row * tall : (row + 1) * tall, column * wide : (column + 1) * wide] = tile
    return atlas


def printed_page(seed: int) -> Picture:
    """A newspaper page: headline, grey pictures and columns of short dark strokes for text."""
    rng = np.random.default_rng(seed)
    canvas = np.full((700, 500, 3), (232, 228, 216), np.uint8)
    _write(canvas, 'TAGBLATT', (60, 74), 2.4, (34, 32, 34), 5)
    for column in range(3):
        left = 24 + column * 156
        picture_top = int(rng.integers(110, 480))
        for row in range(108, 680, 9):
            if picture_top <= row < picture_top + 120:
                continue
            x = left
            while x < left + 138:
                length = int(rng.integers(6, 26))
                end = (min(x + length, left + 140), row + 3)
                cv2.rectangle(canvas, (x, row), end, (70, 68, 70), -1)
                x += length + 6
        image = fractal_noise(rng, 112, 140, 50, 4) * 190 + 30
        canvas[picture_top : picture_top + 112, left : left + 140] = image[..., None]
    return canvas


def desktop_screen(seed: int) -> Picture:
    """A computer screen with an editor, a plot and a side bar."""
    rng = np.random.default_rng(seed)
    canvas = np.full((360, 640, 3), (30, 34, 44), np.uint8)
    cv2.rectangle(canvas, (0, 0), (90, 359), (46, 52, 66), -1)
    inks = ((220, 160, 90), (130, 190, 220), (150, 200, 130), (210, 210, 215))
    for row in range(14, 350, 12):
        x = 104 + 14 * int(rng.integers(0, 4))
        for _ in range(int(rng.integers(1, 6))):
            length = int(rng.integers(10, 60))
            cv2.rectangle(canvas, (x, row), (x + length, row + 5), inks[rng.integers(4)], -1)
            x += length + 8
        cv2.rectangle(
            canvas, (8, row), (8 + int(rng.integers(20, 72)), row + 4), (140, 146, 160), -1
        )
    cv2.rectangle(canvas, (400, 30), (628, 200), (244, 244, 240), -1)
    steps = np.cumsum(rng.normal(0, 7, 52)) + 110
    line = np.stack([410 + 4 * np.arange(52), np.clip(steps, 40, 190)], axis=1).astype(np.int32)
    cv2.polylines(canvas, [line], isClosed=False, color=(190, 60, 50), thickness=2)
    return canvas


def street_view(seed: int) -> Picture:
    """What is seen through the window: sky with clouds, house fronts and tree crowns."""
    rng = np.random.default_rng(seed)
    height, width = 700, 1200
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    clouds = fractal_noise(rng, height, width, 300, 5)[..., None]
    sky = np.array([132, 176, 226], np.float32) + rows * np.array([70, 50, 20], np.float32)
    canvas = _finish(sky + np.clip(clouds - 0.45, 0, 1) * 260)
    for left in range(0, width, 200):
        top = int(rng.integers(300, 420))
        wall = np.array([196, 178, 152]) * rng.uniform(0.7, 1.1) + rng.normal(0, 6, 3)
        canvas[top:, left : left + 200] = np.clip(wall, 0, 255)
        roof = np.array([(left - 8, top), (left + 100, top - 90), (left + 208, top)], np.int32)
        cv2.fillPoly(canvas, [roof], (112, 76, 64), cv2.LINE_AA)
        for y in range(top + 24, height, 74):
            for x in range(left + 22, left + 180, 56):
                cv2.rectangle(canvas, (x, y), (x + 30, y + 46), (226, 222, 212), -1)
                cv2.rectangle(canvas, (x + 4, y + 4), (x + 26, y + 42), (74, 82, 92), -1)
    for centre in rng.uniform((0, 500), (width, 680), (12, 2)):
        for _ in range(900):
            x, y = (centre + rng.normal(0, (52, 60))).astype(int)
            tone = int(rng.integers(-40, 30)) - int(np.clip((y - centre[1]) / 3, -24, 24))
            cv2.circle(
                canvas, (x, y), int(rng.integers(2, 7)), (84 + tone, 102 + tone, 58 + tone), -1
            )
    worn = fractal_noise(rng, height, width, 120, 6)[..., None] * 0.5 + 0.72
    return np.asarray(cv2.GaussianBlur(_finish(canvas * worn), (0, 0), 2.2), np.uint8)
