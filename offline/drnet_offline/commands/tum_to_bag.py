"""The command `drnet tum-to-bag`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

__all__ = ['tum_to_bag']


def tum_to_bag(
    sequence: Annotated[
        Path,
        typer.Argument(
            help='Folder with rgb.txt and depth.txt. If its name has no freiburg1, 2 or 3, also '
            "camera.txt: 'fx fy cx cy' in pixels, and five distortion coefficients if any."
        ),
    ],
    output: Annotated[Path, typer.Argument(help='NAME.mcap, or a folder for a rosbag2.')],
) -> None:
    """Convert a sequence of the TUM RGB-D benchmark to a recording: images, depth, poses."""
    from drnet_offline.outputs.files import make_folder, named_disk  # noqa: PLC0415
    from drnet_offline.outputs.lock import locked_outputs  # noqa: PLC0415
    from drnet_offline.outputs.problems import Problems  # noqa: PLC0415
    from drnet_offline.replay.tum_bag import write_tum_bag  # noqa: PLC0415

    console = Console(stderr=True)
    problems = Problems()
    make_folder(output.absolute().parent)
    with locked_outputs(output), named_disk(output), console.status('writing'):
        counts = write_tum_bag(sequence, output, collected=problems.collected)
    for topic, count in counts.items():
        Console().print(f'{count:6} {topic}', highlight=False)
    problems.check(f'{len(problems.lines)} files could not be read; {output} has the others')
