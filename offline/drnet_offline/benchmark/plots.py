"""What came out, as a picture: time against size, or rates side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from drnet_offline.outputs.files import whole_file

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from drnet_offline.benchmark.measurement import Measured
    from drnet_offline.benchmark.session import Outcome

__all__ = ['write_plot']

_DPI = 110


def write_plot(outcome: Outcome, machine: str, path: Path) -> None:
    """Draw the figures: where sizes differ, time against pixels, else bars of rates.

    Args:
        outcome: What was measured.
        machine: What on, for the title.
        path: The file, .png, .svg or .pdf.

    Raises:
        OfflineError: The file cannot be written.
    """
    rows = [row for row in outcome.measured if row.batch == outcome.measured[0].batch]
    is_sweep = len({row.case.size_hw for row in rows}) > 1
    figure = Figure(figsize=(8, 5) if is_sweep else (8, 1.2 + 0.45 * len(rows)))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    (_draw_sweep if is_sweep else _draw_bars)(axes, rows)
    figure.suptitle(machine, fontsize=7)
    figure.tight_layout()
    with whole_file(path) as part:
        figure.savefig(part, dpi=_DPI)


def _draw_sweep(axes: Axes, rows: list[Measured]) -> None:
    lines: dict[str, list[Measured]] = {}
    for row in rows:
        lines.setdefault(row.name, []).append(row)
    for name, points in lines.items():
        points.sort(key=lambda row: row.pixels)
        pixels = [row.pixels for row in points]
        middle = [1000 / row.fps for row in points]
        ranges = [row.fps_range for row in points]
        spread = [
            [ms - 1000 / most for ms, (_, most) in zip(middle, ranges, strict=True)],
            [1000 / least - ms for ms, (least, _) in zip(middle, ranges, strict=True)],
        ]
        drawn = axes.errorbar(pixels, middle, yerr=spread, marker='o', capsize=3, label=name)
        color = drawn.lines[0].get_color()
        linear = [middle[0] * count / pixels[0] for count in pixels]
        axes.plot(
            pixels, linear, '--', color=color, alpha=0.5, label='the first, linear in pixels'
        )
    sizes = sorted({(row.pixels, row.built.network_size) for row in rows})
    axes.set_xscale('log')
    axes.set_yscale('log')
    axes.set_xticks([count for count, _ in sizes], [size for _, size in sizes], fontsize=8)
    axes.minorticks_off()
    axes.set_xlabel('image as the network sees it, pixels')
    axes.set_ylabel('ms per image')
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=8)


def _draw_bars(axes: Axes, rows: list[Measured]) -> None:
    rates = [row.fps for row in rows]
    low = [row.fps - row.fps_range[0] for row in rows]
    high = [row.fps_range[1] - row.fps for row in rows]
    names = [f'{row.name}\n{row.built.network_size}' for row in rows]
    places = list(range(len(rows)))
    bars = axes.barh(places, rates, xerr=[low, high], capsize=3, color='tab:blue')
    axes.bar_label(bars, fmt='%.3g', padding=6, fontsize=8)
    axes.set_yticks(places, names, fontsize=7)
    axes.invert_yaxis()  # the first on top
    if max(rates) > 20 * min(rates):
        axes.set_xscale('log')
    axes.margins(x=0.15)
    axes.set_xlabel('frames a second' + (f', batch {rows[0].batch}' if rows else ''))
