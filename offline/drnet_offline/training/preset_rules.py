"""What the values of a training preset may be."""

from __future__ import annotations

import math
from typing import Any

from drnet_offline.datasets.mixture import SourceConfig
from drnet_offline.errors import ConfigError
from drnet_offline.training.preset import TrainConfig

__all__ = ['check']

_CHOICES = {
    'data.layout': ('auto', 'folder', 'nyu_mat', 'nyu_csv', 'nyu_sync', 'tum'),
    'loss': ('paper', 'metric'),
    'optimizer.name': ('adam', 'adamw'),
    'optimizer.schedule': ('constant', 'one_cycle', 'step'),
    'precision': ('32-true', '16-mixed', 'bf16-mixed'),
}
_POSITIVE = (
    'epochs',
    'validate_every',
    'data.batch_size',
    'optimizer.lr',
    'optimizer.backbone_lr',
    'optimizer.step_epochs',
)
_LIMITS = {
    'auxiliary_weight': (0, math.inf),
    'initial_share': (0, 0.99),
    'far_m': (0, math.inf),
    'frozen_stages': (0, 5),
    'seed': (0, 2**32 - 1),
    'patience': (0, math.inf),
    'pictures': (0, 32),
    'data.workers': (0, math.inf),
    'data.epoch_images': (0, math.inf),
    'optimizer.weight_decay': (0, math.inf),
    'optimizer.clip_norm': (0, math.inf),
    'optimizer.step_factor': (0, 1),
    'optimizer.ema_decay': (0, 0.999999),
    'augmentation.border_px': (0, math.inf),
    'augmentation.max_zoom': (1, 10),
    'augmentation.max_rotation_deg': (0, 45),
    'augmentation.max_tilt_deg': (0, 30),
    'augmentation.brightness': (0, 1),
    'augmentation.contrast': (0, 1),
    'augmentation.saturation': (0, 1),
    'augmentation.colour_cast': (0, 1),
    'augmentation.max_gamma': (1, 10),
    'augmentation.cutmix': (0, 1),
    'augmentation.keep_border': (0, 1),
}


def check(config: TrainConfig) -> None:
    """Check every value of a preset, and those that depend on each other.

    Raises:
        ConfigError: A value is not allowed; the message says what is.
    """

    def look_up(dotted: str) -> Any:
        value: Any = config
        for name in dotted.split('.'):
            value = getattr(value, name)
        return value

    rules = [
        *((k, look_up(k) in v, f'one of {", ".join(v)}') for k, v in _CHOICES.items()),
        *((name, look_up(name) > 0, 'above 0') for name in _POSITIVE),
        *((k, v[0] <= look_up(k) <= v[1], f'within {v[0]}..{v[1]}') for k, v in _LIMITS.items()),
        ('data.size', min(config.data.size) >= 64, 'height and width, at least 64 each'),
        (
            'data.validation_blocks',
            all(0 <= first <= last for first, last in config.data.validation_blocks),
            'pairs of first and last number',
        ),
    ]
    for name, holds, rule in rules:
        if not holds:
            msg = f'{name} must be {rule}, got {look_up(name)!r}'
            raise ConfigError(msg)
    if config.initial_share and not (config.initial_weights and config.optimizer.ema_decay):
        msg = (
            'initial_share needs initial_weights, which it is a share of, and averaged weights '
            '(optimizer.ema_decay above 0), which the rest is'
        )
        raise ConfigError(msg)
    for i, source in enumerate(config.data.sources):
        _check_source(f'data.sources[{i}]', source)
    if config.epochs % config.validate_every:
        msg = (
            f'epochs must be a multiple of validate_every, so that the last weights are '
            f'validated; got {config.epochs} and {config.validate_every}'
        )
        raise ConfigError(msg)


def _check_source(where: str, source: SourceConfig) -> None:
    rules = (
        ('layout', source.layout in _CHOICES['data.layout'], 'a known layout'),
        ('weight', source.weight > 0, 'above 0'),
        ('border_px', source.border_px >= 0, '0 or more'),
        ('scale_trust', 0 <= source.scale_trust <= 1, 'within 0..1'),
        ('edge_weight', source.edge_weight >= 0, '0 or more'),
        (
            'validation_blocks',
            all(0 <= first <= last for first, last in source.validation_blocks),
            'pairs of first and last number',
        ),
    )
    for name, holds, rule in rules:
        if not holds:
            msg = f'{where}.{name} must be {rule}, got {getattr(source, name)!r}'
            raise ConfigError(msg)
