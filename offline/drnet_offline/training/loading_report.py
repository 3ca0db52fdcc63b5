"""Whether the loader keeps up with the network: images/s of each alone (`python -m` this module).

Training takes the slower of the two. The network is measured on batches that are in memory
already, so neither waits for the other; a whole training logs both together, as
`train/images_per_s` and `train/loader_wait`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.utils.data import DataLoader

from drnet_offline.datasets.mixture import open_mixture
from drnet_offline.errors import OfflineError
from drnet_offline.training.data import AugmentedDataset, Batch
from drnet_offline.training.module import DepthModule
from drnet_offline.training.preset import list_sources
from drnet_offline.training.preset_reader import load_config

if TYPE_CHECKING:
    from drnet_offline.training.preset import TrainConfig

__all__ = ['main', 'measure_loader', 'measure_training']

_WARM_UP_STEPS = 2


def measure_loader(dataset: AugmentedDataset, config: TrainConfig, images: int) -> float:
    """Return the images/s of the loader alone, start of its processes and first batch left out.

    Args:
        dataset: What is loaded, over and over.
        config: Its batch size and number of loader processes count.
        images: About how many are timed.
    """
    batch = config.data.batch_size
    # Key k is draw k // n of image k % n, as in training.
    loader = DataLoader(
        dataset,
        batch,
        sampler=range(images + (config.data.workers + 1) * 2 * batch),
        num_workers=config.data.workers,
        drop_last=True,
    )
    batches = iter(loader)
    # What the processes have made before the clock starts would be counted for nothing.
    for _ in range(2 * config.data.workers + 1):
        next(batches)
    began_s = time.perf_counter()
    count = sum(len(loaded['rgb']) for loaded in itertools.islice(batches, -(-images // batch)))
    return count / (time.perf_counter() - began_s)


def measure_training(module: DepthModule, batch: Batch, precision: str, steps: int) -> float:
    """Return the images/s of forward, backward and optimizer on one batch in memory.

    Args:
        module: What is trained; on the device that counts.
        batch: The batch, on any device.
        precision: As in a preset.
        steps: How many are timed, after some that are not.
    """
    module.log = lambda *_args, **_kwargs: None  # type: ignore[method-assign]
    device = module.device
    batch = {name: tensor.to(device) for name, tensor in batch.items()}
    optimizer = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], lr=1e-6)
    half = {'bf16-mixed': torch.bfloat16, '16-mixed': torch.float16}.get(precision)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device.type, half, enabled=half is not None):
            loss = module.training_step(batch, 0)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if device.type == 'cuda':
            torch.cuda.synchronize()

    for _ in range(_WARM_UP_STEPS):
        step()
    began_s = time.perf_counter()
    for _ in range(steps):
        step()
    return steps * len(batch['rgb']) / (time.perf_counter() - began_s)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print.

    Args:
        arguments: The command line; None for this process's.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--config', default='lite0', help='preset, as for drnet train')
    parser.add_argument(
        '--data', required=True, type=Path, help='the data set, or the folder of all'
    )
    parser.add_argument('--workers', type=int, nargs='+', help="default: the preset's")
    parser.add_argument('--images', type=int, default=200, help='loaded for each figure')
    parser.add_argument('--steps', type=int, default=5, help='of training; 0 leaves it out')
    parser.add_argument('--json', action='store_true', help='plain numbers')
    options = parser.parse_args(arguments)
    try:
        figures = _measure(options)
    except OfflineError as error:
        sys.stderr.write(f'error: {error}\n')
        return 1
    lines = [f'{name}: {value:.1f} images/s' for name, value in figures.items()]
    sys.stdout.write((json.dumps(figures, indent=2) if options.json else '\n'.join(lines)) + '\n')
    return 0


def _measure(options: argparse.Namespace) -> dict[str, float]:
    config = load_config(options.config, {'pretrained': ''})
    samples = open_mixture(options.data, list_sources(config), 'train')
    focal_px = samples[0].focal_px
    dataset = AugmentedDataset(samples, config, focal_px)
    figures = {}
    for workers in options.workers or [config.data.workers]:
        changed = replace(config, data=replace(config.data, workers=workers))
        figures[f'loader, {workers} workers'] = measure_loader(dataset, changed, options.images)
    if options.steps:
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
        batch = torch.utils.data.default_collate(
            [dataset[key] for key in range(config.data.batch_size)]
        )
        module = DepthModule(config, focal_px).to(device)
        speed = measure_training(module, batch, config.precision, options.steps)
        figures[f'training step, {device}'] = speed
    return figures


if __name__ == '__main__':
    sys.exit(main())
