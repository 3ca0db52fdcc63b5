"""From what the command line says to groups of cases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

from drnet_offline.benchmark.baselines.building import BASELINES, baseline_backbone
from drnet_offline.benchmark.case import DRNET, RANDOM, BenchmarkCase, Work
from drnet_offline.benchmark.counting import network_config
from drnet_ros.inference.engines.devices import has_cuda
from drnet_ros.inference.settings import PARAMETERS
from drnet_ros.network.config import BACKBONE_NAMES, MAX_INPUT_PIXELS

__all__ = ['BILINEAR', 'Choice', 'choose_groups', 'parse_size']

BILINEAR = 'bilinear'
"""The same network without its guided filter."""

_MIN_SIDE, _MAX_SIDE = 32, 8192


@dataclass(frozen=True, slots=True)
class Choice:
    """What the command line says.

    Attributes:
        backbones: Networks with random weights; none for that of the weights.
        every_backbone: All backbones, guided filter off and on, instead.
        weights: 'embedded' or a file; None for the default.
        guided_filter: Use the guided filter; the weights are random then.
        engines: What runs the network.
        device: Where.
        precisions: Arithmetic.
        sizes: 'HxW' in pixels.
        versus: Networks to compare with, in turns.
        versus_engines: What runs those; none for the first one's.
        versus_precision: Their arithmetic; None for the first one's.
        threads: CPU cores to use, None for all.
    """

    backbones: tuple[str, ...] = ()
    every_backbone: bool = False
    weights: str | None = None
    guided_filter: bool = False
    engines: tuple[str, ...] = ('auto',)
    device: str = 'auto'
    precisions: tuple[str, ...] = ('auto',)
    sizes: tuple[str, ...] = ('480x640',)
    versus: tuple[str, ...] = ()
    versus_engines: tuple[str, ...] = ()
    versus_precision: str | None = None
    threads: int | None = None


def parse_size(text: str) -> tuple[int, int]:
    """Return height and width from 'HxW'.

    Raises:
        ValueError: It is not two whole numbers in 32..8192, or too large an area.
    """
    try:
        height, width = (int(side) for side in text.strip().split('x'))
    except ValueError as error:
        msg = f'a size must be HxW as in 480x640, got {text!r}'
        raise ValueError(msg) from error
    if not all(_MIN_SIDE <= side <= _MAX_SIDE for side in (height, width)):
        msg = f'sides must be {_MIN_SIDE}..{_MAX_SIDE} pixels, got {text!r}'
        raise ValueError(msg)
    if height * width > MAX_INPUT_PIXELS:
        msg = f'a size must have at most {MAX_INPUT_PIXELS / 1e6:.1f} megapixels, got {text!r}'
        raise ValueError(msg)
    return height, width


def choose_groups(choice: Choice, cores: int) -> list[tuple[BenchmarkCase, ...]]:
    """Return what to measure, group by group; those of a group run in turns.

    Args:
        choice: What the command line says.
        cores: Cores that there are.

    Returns:
        Groups of a network and what it is compared with, at all sizes, for each engine and
        precision.

    Raises:
        ValueError: The choice contradicts itself.
        WeightsError: The weights are not there or not readable.
    """
    threads = cores if choice.threads is None else choice.threads
    if threads > cores:
        msg = f'threads must be at most {cores} here, got {threads}'
        raise ValueError(msg)
    _check(choice)
    sizes = [parse_size(text) for text in choice.sizes]
    groups = []
    for network, engine, precision in product(
        _networks(choice), choice.engines, choice.precisions
    ):
        work = replace(
            network,
            engine=_engine(engine, choice.device),
            device=choice.device,
            precision=precision,
            threads=threads,
        )
        works = (work, *_others(work, choice))
        groups.append(tuple(BenchmarkCase(one, size) for size in sizes for one in works))
    return groups


def _check(choice: Choice) -> None:
    chosen = {
        'backbone': choice.backbones,
        'engine': (*choice.engines, *choice.versus_engines),
        'precision': (*choice.precisions, *filter(None, [choice.versus_precision])),
    }
    known = {spec.name: spec.choices for spec in PARAMETERS} | {'backbone': BACKBONE_NAMES}
    for name, values in chosen.items():
        for value in values:
            if value not in known[name]:
                msg = f'{name} must be one of {", ".join(map(str, known[name]))}, got {value!r}'
                raise ValueError(msg)


def _networks(choice: Choice) -> list[Work]:
    if choice.weights is not None and (choice.backbones or choice.every_backbone):
        msg = 'weights have their own backbone: give either --weights or --backbone or --all'
        raise ValueError(msg)
    if choice.weights is not None and choice.guided_filter:
        msg = 'weights either have a guided filter or not: give --weights or --guided-filter'
        raise ValueError(msg)
    if choice.every_backbone:
        return [Work(backbone=b, guided_filter=g) for b in BACKBONE_NAMES for g in (False, True)]
    if choice.backbones:
        return [Work(backbone=b, guided_filter=choice.guided_filter) for b in choice.backbones]
    weights = choice.weights or 'embedded'
    config = network_config(Work(weights=weights))
    return [
        Work(
            backbone=config.backbone,
            guided_filter=config.guided_filter or choice.guided_filter,
            correction_kernel=config.correction_kernel,
            weights=RANDOM if choice.guided_filter else weights,
        )
    ]


def _others(work: Work, choice: Choice) -> list[Work]:
    if not choice.versus:
        if choice.versus_engines or choice.versus_precision:
            msg = "say what to compare with: --versus rside, --versus drnet ..., or a backbone's"
            raise ValueError(msg)
        return []
    precision = choice.versus_precision or work.precision
    engines = [_engine(name, choice.device) for name in choice.versus_engines] or [work.engine]
    others = []
    for name, engine in product(choice.versus, engines):
        other = replace(_other(name, work), engine=engine, precision=precision)
        if other == work:
            msg = (
                f'{work.label} must be compared with something else: give another --versus-engine'
            )
            raise ValueError(msg)
        others.append(other)
    return others


def _other(name: str, work: Work) -> Work:
    if name == DRNET:
        return work
    if name == BILINEAR:
        return replace(work, weights=RANDOM, guided_filter=False)
    if name in BASELINES:
        backbone = baseline_backbone(name, work.backbone)
        return replace(work, network=name, backbone=backbone, weights=RANDOM, guided_filter=False)
    if name in BACKBONE_NAMES:
        return replace(work, backbone=name, weights=RANDOM, correction_kernel=1)
    known = ', '.join((*BASELINES, DRNET, BILINEAR, *BACKBONE_NAMES))
    msg = f'versus must be one of {known}, got {name!r}'
    raise ValueError(msg)


def _engine(name: str, device: str) -> str:
    """Return the engine that 'auto' is, as the node would choose it."""
    if name != 'auto':
        return name
    wants_cuda = device.startswith('cuda') or (device == 'auto' and has_cuda())
    return 'torch' if wants_cuda else 'openvino'
