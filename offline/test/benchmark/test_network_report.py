"""Counts by hand, and a measurement that must at least hold the weights."""

from __future__ import annotations

import json

import pytest

from drnet_offline.benchmark.network_report import count_cost, main, measure_memory
from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.drnet import DRNet

LITE = NetworkConfig()


@pytest.mark.slow
def test_counts_grow_with_the_pixels_and_the_kernel() -> None:
    small, large = count_cost(LITE, (64, 96)), count_cost(LITE, (128, 192))
    network = DRNet(LITE)
    assert small.parameters == sum(p.numel() for p in network.parameters())
    assert small.parameters == large.parameters
    assert large.macs == 4 * small.macs
    kernel3 = count_cost(NetworkConfig(correction_kernel=3), (64, 96))
    # Nine weights where there was one, in every correction; in blocks of 2 x 2 pixels, as on the
    # finest level, each pixel's sum runs over the four pixels of a block, three times for nothing.
    corrections = [level.correction for level in network.levels]
    extra: int = sum(
        8 * c.weight.numel() * (64 // s) * (96 // s) * (4 if s == 1 else 1)  # type: ignore[union-attr, operator, misc]
        for c, s in zip(corrections, network.strides[4::-1], strict=True)
    )
    assert kernel3.macs - small.macs == extra


@pytest.mark.slow
def test_memory_holds_the_weights() -> None:
    memory = measure_memory(LITE, (64, 96))
    assert memory.net_mb > 0.9 * count_cost(LITE, (64, 96)).weights_mb
    assert memory.image_mb >= 0


@pytest.mark.slow
def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ['--no-memory', '--size', '64x96', '--backbone', 'efficientnet_lite0']
    assert main(arguments) == 0
    assert '| efficientnet_lite0 | 3.07 M | 2.96 M |' in capsys.readouterr().out
    assert main([*arguments, '--json']) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain['efficientnet_lite0']['macs'] == count_cost(LITE, (64, 96)).macs
    with pytest.raises(SystemExit) as stopped:
        main(['--size', 'large'])
    assert stopped.value.code == 2
    assert "--size must be HxW as in 480x640, got 'large'" in capsys.readouterr().err
