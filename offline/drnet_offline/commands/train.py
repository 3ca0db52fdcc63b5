"""The command `drnet train`."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from drnet_offline.errors import StoppedError
from drnet_offline.training.process import prepare_process

__all__ = ['train']


Config = Annotated[
    str,
    typer.Option(
        help="Preset: a name or a YAML file, or several joined by '+'; later ones override "
        'earlier ones: resnet152+nyu_50k+modern.'
    ),
]
Data = Annotated[
    Path, typer.Option(help='The data set in any known layout, or the folder of the sources.')
]
Output = Annotated[Path, typer.Option(help='Folder for weights, checkpoint, logs and pictures.')]
Resume = Annotated[bool, typer.Option('--resume', help='Continue from OUTPUT/last.ckpt.')]
Devices = Annotated[
    int, typer.Option(min=1, help='Processes on this machine; each uses one GPU if there is one.')
]
Nodes = Annotated[int, typer.Option(min=1, help='Machines; torchrun sets both numbers itself.')]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        '--set',
        metavar='NAME=VALUE',
        help='Override an entry of the preset: data.batch_size=4, patience=10. Repeatable.',
    ),
]


def train(
    config: Config,
    data: Data,
    output: Output,
    resume: Resume = False,
    devices: Devices = 1,
    nodes: Nodes = 1,
    set_: Overrides = None,
) -> None:
    """Train a network from a preset; writes OUTPUT/best.safetensors.

    The guide, offline/README.md, says what each entry of a preset means; OUTPUT/preset.yaml has
    the values of all. On several machines: torchrun --nnodes 2 --nproc-per-node 4
    --rdzv-backend c10d --rdzv-endpoint HOST:29500 --no-python drnet train ...
    """
    from drnet_offline.datasets.opening import detect_layout  # noqa: PLC0415
    from drnet_offline.outputs.files import make_folder  # noqa: PLC0415
    from drnet_offline.outputs.lock import OutputLock  # noqa: PLC0415
    from drnet_offline.training.output_check import check_begun_from, check_training_folder  # noqa: PLC0415
    from drnet_offline.training.preset_reader import load_config, parse_override  # noqa: PLC0415

    preset = load_config(config, dict(map(parse_override, set_ or [])))
    preset = replace(preset, data=replace(preset.data, root=str(data)))
    if not preset.data.sources:
        detect_layout(data)
    check_begun_from(preset)
    if _is_first():
        check_training_folder(output, resume=resume)
    make_folder(output)
    with OutputLock(output) if _is_first() else nullcontext():
        prepare_process()
        # PyTorch is imported only by the commands that need it, after what can be refused.
        from drnet_offline.training.run import train as run  # noqa: PLC0415

        try:
            best = run(preset, output, resume=resume, devices=devices, nodes=nodes)
        # Lightning ends the process after Ctrl-C.
        except (KeyboardInterrupt, SystemExit) as error:
            raise StoppedError(_describe_saved(output)) from error
    if best is not None:
        Console().print(f'Best weights: {best}', soft_wrap=True, markup=False, highlight=False)


def _is_first() -> bool:
    """Return whether this is the process of a training that writes its folder."""
    names = ('RANK', 'LOCAL_RANK', 'NODE_RANK', 'GROUP_RANK')
    return all(os.environ.get(name, '0') == '0' for name in names)


def _describe_saved(output: Path) -> str:
    checkpoint = output / 'last.ckpt'
    if checkpoint.is_file():
        return f'{checkpoint} has all whole epochs: go on with the same words and --resume'
    return 'no epoch was done and nothing is saved: run it again'
