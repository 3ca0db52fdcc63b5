"""The command `drnet`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from drnet_ros.errors import DrnetError

__all__ = ['app', 'main']

app = typer.Typer(
    help='Train, evaluate and export the Double Refinement Network.',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """Keep `drnet COMMAND` the form even while there is one command."""


@app.command()
def train(
    config: Annotated[str, typer.Option(help='Preset: a YAML file or the name of a shipped one.')],
    data: Annotated[Path, typer.Option(help='The data set, in any known layout.')],
    output: Annotated[Path, typer.Option(help='Folder for checkpoints, logs and weights.')],
    resume: Annotated[bool, typer.Option(help='Go on from OUTPUT/last.ckpt.')] = False,
    devices: Annotated[int, typer.Option(min=1, help='Processes, one GPU each.')] = 1,
    set_: Annotated[
        list[str] | None, typer.Option('--set', help='Override an entry: data.batch_size=4')
    ] = None,
) -> None:
    """Train a network from a preset; writes OUTPUT/best.safetensors."""
    from drnet_offline.config import load_config, parse_override  # noqa: PLC0415 - PyTorch only when it is needed
    from drnet_offline.run_training import train as run  # noqa: PLC0415

    preset = load_config(config, dict(map(parse_override, set_ or [])))
    preset = replace(preset, data=replace(preset.data, root=str(data)))
    best = run(preset, output, resume=resume, devices=devices)
    Console().print(f'Best weights: {best}')


def main() -> None:
    """Run the command line: exit code 0, 1 with one line on a known error, 2 on wrong usage."""
    try:
        app()
    except DrnetError as error:
        Console(stderr=True, soft_wrap=True).print(f'[red]error:[/] {error}', highlight=False)
        sys.exit(1)
