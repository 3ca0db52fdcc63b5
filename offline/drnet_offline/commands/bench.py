"""The command `drnet bench`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from drnet_offline.benchmark.choosing import Choice, choose_groups
from drnet_offline.benchmark.machine import look_at_machine
from drnet_offline.benchmark.session import Plan, measure
from drnet_offline.benchmark.tables import figures_table, ratios_table
from drnet_offline.outputs.files import check_file, check_json, make_folder, write_text
from drnet_offline.outputs.lock import locked_outputs
from drnet_offline.report.whole_table import print_table

if TYPE_CHECKING:
    from drnet_offline.benchmark.machine import Machine
    from drnet_offline.benchmark.session import Outcome

__all__ = ['bench']

_MAX_BATCH = 256
_BATCH_OF_ALL = 4
_PLOT_SUFFIXES = '.png', '.svg', '.pdf'

Many = list[str] | None
Backbones = Annotated[
    Many, typer.Option(help='With random weights; default: the embedded network. Repeatable.')
]
All = Annotated[bool, typer.Option('--all', help='Every backbone, guided filter off and on.')]
Weights = Annotated[
    str | None, typer.Option(help="'embedded' or a .safetensors file, not with --backbone.")
]
Guided = Annotated[
    bool, typer.Option('--guided-filter', help='With guided upsampling (random weights).')
]
Engines = Annotated[Many, typer.Option(help='auto, openvino, onnxruntime or torch. Repeatable.')]
Device = Annotated[str, typer.Option(help="'auto', 'cpu', 'cuda' or 'cuda:N'.")]
Precisions = Annotated[
    Many, typer.Option(help='auto (as the node), fp32, bf16 or fp16. Repeatable.')
]
Size = Annotated[str, typer.Option(help='HxW of the image and of the network.')]
Sizes = Annotated[str | None, typer.Option(help="Several sizes: '240x320,480x640,960x1280'.")]
Batch = Annotated[int, typer.Option(min=1, max=_MAX_BATCH, help='Images in a batch.')]
MaxBatch = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=_MAX_BATCH,
        help=f'Also time doubled batches up to this; --all: {_BATCH_OF_ALL}.',
    ),
]
Versus = Annotated[
    Many,
    typer.Option(
        help="Networks to compare with: 'rside', 'depth_anything_v2_small', 'bilinear' (the same "
        "without its guided filter), 'drnet' (with "
        '--versus-engine or -precision) or a backbone. Repeatable.'
    ),
]
VersusEngines = Annotated[
    Many, typer.Option('--versus-engine', help="Its engine, default: the first's. Repeatable.")
]
VersusPrecision = Annotated[str | None, typer.Option(help="Its arithmetic, default: the first's.")]
Threads = Annotated[int | None, typer.Option(min=1, help='CPU cores to use; default: all.')]
Runs = Annotated[int, typer.Option(min=1, help='Turns of each network.')]
Seconds = Annotated[
    float, typer.Option(min=0.0, max=3600.0, help='Length of a turn; at least one batch.')
]
MemoryToo = Annotated[bool, typer.Option(help='Measure the memory of the network and an image.')]
Keep = Annotated[Path | None, typer.Option(help='Keep converted models here for the next run.')]
Json = Annotated[Path | None, typer.Option('--json', help='Write the figures here.')]
Plot = Annotated[Path | None, typer.Option(help='Draw them here: .png, .svg or .pdf.')]


def bench(
    backbone: Backbones = None,
    all_: All = False,
    weights: Weights = None,
    guided_filter: Guided = False,
    engine: Engines = None,
    device: Device = 'auto',
    precision: Precisions = None,
    size: Size = '480x640',
    sizes: Sizes = None,
    batch: Batch = 1,
    max_batch: MaxBatch = None,
    versus: Versus = None,
    versus_engine: VersusEngines = None,
    versus_precision: VersusPrecision = None,
    threads: Threads = None,
    runs: Runs = 5,
    seconds: Seconds = 1.0,
    memory: MemoryToo = True,
    keep: Keep = None,
    json_: Json = None,
    plot: Plot = None,
) -> None:
    """Measure frames per second, latency and memory here, as the paper's Table III does."""
    choice = Choice(
        backbones=tuple(backbone or ()),
        every_backbone=all_,
        weights=weights,
        guided_filter=guided_filter,
        engines=tuple(engine or ('auto',)),
        device=device,
        precisions=tuple(precision or ('auto',)),
        sizes=tuple((sizes or size).split(',')),
        versus=tuple(versus or ()),
        versus_engines=tuple(versus_engine or ()),
        versus_precision=versus_precision,
        threads=threads,
    )
    batches = _batches(batch, max_batch or (_BATCH_OF_ALL if all_ else batch))
    _run(choice, Plan(runs, seconds, batches, memory, keep), json_, plot)


def _batches(first: int, last: int) -> tuple[int, ...]:
    return (first, *_batches(2 * first, last)) if 2 * first <= last else (first,)


def _run(choice: Choice, plan: Plan, json_: Path | None, plot: Path | None) -> None:
    _check_outputs(json_, plot, plan.keep)
    machine = look_at_machine()
    try:
        groups = choose_groups(choice, machine.cores)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    with locked_outputs(json_, plot, plan.keep):
        with Console(stderr=True).status('') as status:
            outcome = measure(groups, plan, status.update)
        _print(outcome, machine)
        if json_ is not None:
            write_text(json_, json.dumps(_record(outcome, machine), indent=2) + '\n')
        if plot is not None:
            from drnet_offline.benchmark.plots import write_plot  # noqa: PLC0415 - matplotlib

            write_plot(outcome, machine.describe(), plot)


def _check_outputs(json_: Path | None, plot: Path | None, keep: Path | None) -> None:
    """Refuse what cannot be written, before the measurement."""
    if json_ is not None:
        check_json(json_)
    if plot is not None:
        check_file(plot)
    if plot is not None and plot.suffix.lower() not in _PLOT_SUFFIXES:
        msg = f'must end in {", ".join(_PLOT_SUFFIXES[:-1])} or {_PLOT_SUFFIXES[-1]}, got {plot}'
        raise typer.BadParameter(msg, param_hint='--plot')
    if keep is not None:
        make_folder(keep)


def _print(outcome: Outcome, machine: Machine) -> None:
    console = Console(soft_wrap=True)
    threads = outcome.measured[0].case.work.threads
    console.print(f'{machine.describe()}; {threads} threads', highlight=False)
    if machine.is_busy:
        console.print(
            f'[yellow]Others took {machine.busy:.0%} of the machine just before: the figures are '
            'not its best.[/]',
            highlight=False,
        )
    print_table(console, figures_table(outcome))
    if outcome.ratios:
        print_table(console, ratios_table(outcome))
    for line in outcome.left_out:
        console.print(f'left out: {line}', highlight=False, markup=False)


def _record(outcome: Outcome, machine: Machine) -> dict[str, object]:
    """Return plain values: the first row's at the top, then all rows, ratios and the machine."""
    rows = [row.to_dict() for row in outcome.measured]
    return {
        **rows[0],
        'results': rows,
        'ratios': [ratio.to_dict() for ratio in outcome.ratios],
        'left_out': outcome.left_out,
        'machine': machine.to_dict(),
    }
