"""The command `drnet train`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

__all__ = ['train']


def train(
    config: Annotated[
        str,
        typer.Option(
            help="Preset: a name or a YAML file, or several joined by '+'; later ones override "
            'earlier ones: resnet152+nyu_50k+modern.'
        ),
    ],
    data: Annotated[Path, typer.Option(help='The data set, in any known layout.')],
    output: Annotated[
        Path, typer.Option(help='Folder for weights, checkpoint, logs and pictures.')
    ],
    resume: Annotated[
        bool, typer.Option('--resume', help='Continue from OUTPUT/last.ckpt.')
    ] = False,
    devices: Annotated[
        int,
        typer.Option(min=1, help='Processes on this machine; each uses one GPU if there is one.'),
    ] = 1,
    nodes: Annotated[
        int, typer.Option(min=1, help='Machines; torchrun sets both numbers itself.')
    ] = 1,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            '--set',
            metavar='NAME=VALUE',
            help='Override an entry of the preset: data.batch_size=4, patience=10. Repeatable.',
        ),
    ] = None,
) -> None:
    """Train a network from a preset; writes OUTPUT/best.safetensors.

    The guide, offline/README.md, says what each entry of a preset means; OUTPUT/preset.yaml has
    the values of all. On several machines: torchrun --nnodes 2 --nproc-per-node 4
    --rdzv-backend c10d --rdzv-endpoint HOST:29500 --no-python drnet train ...
    """
    # PyTorch is imported only by the commands that need it.
    from drnet_offline.training.preset_reader import load_config, parse_override  # noqa: PLC0415
    from drnet_offline.training.run import train as run  # noqa: PLC0415

    preset = load_config(config, dict(map(parse_override, set_ or [])))
    preset = replace(preset, data=replace(preset.data, root=str(data)))
    best = run(preset, output, resume=resume, devices=devices, nodes=nodes)
    if best is not None:
        Console().print(f'Best weights: {best}', soft_wrap=True)
