"""Trajectories seen from the side that shows most of them, and their distance from the truth."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from drnet_offline.report.chart_layout import COLORS, WIDE, Layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evo.core.trajectory import PoseTrajectory3D

__all__ = ['draw_paths']


def draw_paths(
    truth: PoseTrajectory3D, aligned: Mapping[str, PoseTrajectory3D], layout: Layout = WIDE
) -> Figure:
    """Draw paths over the true one, and their distance from it over time.

    Args:
        truth: The true trajectory.
        aligned: Others by name, aligned to it, with the times of their poses in it.
        layout: For which screen.
    """
    figure, (left, right) = layout.panels(2, 4.2)
    first = next(iter(aligned.values()), truth)
    seen = (truth.timestamps >= first.timestamps[0]) & (truth.timestamps <= first.timestamps[-1])
    places = truth.positions_xyz[seen]
    middle = places.mean(axis=0)
    # The plane of greatest extent: the first two principal axes.
    axes = np.linalg.svd(places - middle, full_matrices=False)[2][:2]
    left.plot(*((places - middle) @ axes.T).T, color='black', lw=2, label='ground truth')
    for (name, other), color in zip(aligned.items(), cycle(COLORS), strict=False):
        left.plot(*((other.positions_xyz - middle) @ axes.T).T, color=color, lw=1, label=name)
        nearest = np.array(
            [np.argmin(np.abs(truth.timestamps - stamp)) for stamp in other.timestamps]
        )
        distance = np.linalg.norm(other.positions_xyz - truth.positions_xyz[nearest], axis=1)
        right.plot(other.timestamps - other.timestamps[0], distance, color=color, lw=1)
    left.set(xlabel='first principal axis [m]', ylabel='second principal axis [m]')
    left.set_aspect('equal', adjustable='datalim')
    left.legend(frameon=False, fontsize=9, loc='upper right')
    right.set(xlabel='time [s]', ylabel='distance from ground truth [m]', ylim=(0, None))
    return figure
