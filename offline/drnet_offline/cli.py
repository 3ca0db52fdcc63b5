"""The command `drnet`."""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from rich.markup import escape

from drnet_offline.commands.bag import bag
from drnet_offline.commands.bench import bench
from drnet_offline.commands.eval import evaluate_command
from drnet_offline.commands.export import export
from drnet_offline.commands.predict import predict
from drnet_offline.commands.train import train
from drnet_offline.commands.tum_to_bag import tum_to_bag
from drnet_offline.commands.vo import vo
from drnet_ros.errors import DrnetError

__all__ = ['app', 'main']

app = typer.Typer(
    help='Train, evaluate and export the Double Refinement Network.',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(train)
app.command('eval')(evaluate_command)
app.command()(bench)
app.command()(export)
app.command()(bag)
app.command()(vo)
app.command()(predict)
app.command('tum-to-bag')(tum_to_bag)


def main() -> None:
    """Run the command line: exit code 0, 1 with one line on a known error, 2 on wrong usage."""
    try:
        app()
    # OSError: a folder that cannot be made, a disk that is full; its text names the file.
    except (DrnetError, OSError) as error:
        console = Console(stderr=True, soft_wrap=True)
        console.print(f'[red]error:[/] {escape(str(error))}', highlight=False)
        sys.exit(1)
