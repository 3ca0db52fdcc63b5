"""The baselines are the published networks: their parameters, sizes and work, counted by hand."""

from __future__ import annotations

import builtins
from typing import Any

import pytest
import torch
from torch.nn import functional

from drnet_offline.benchmark.baselines.building import (
    baseline_backbone,
    baseline_size,
    build_baseline,
)
from drnet_offline.benchmark.baselines.rside import RSIDE, UpProjection
from drnet_offline.benchmark.case import Work
from drnet_offline.benchmark.counting import count
from drnet_offline.errors import OfflineError

pytestmark = pytest.mark.slow


def parameters_of(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def up_projection(in_channels: int, out_channels: int) -> int:
    """Two 5x5 and a 3x3 convolution without bias, each with a norm's scale and shift."""
    kernels = 2 * 25 * in_channels * out_channels + 9 * out_channels**2
    return kernels + 3 * 2 * out_channels


@pytest.mark.parametrize(
    ('backbone', 'classifier', 'head', 'channels', 'total'),
    [
        # Classifier and head are those of torchvision and timm, from their documentation.
        ('resnet50', 25557032, 2049000, (256, 512, 1024, 2048), 67569473),
        ('densenet161', 28681000, 2209000, (192, 384, 1056, 2208), None),
        ('senet154', 115088984, 2049000, (256, 512, 1024, 2048), None),
    ],
)
def test_parameters_of_rside(
    backbone: str, classifier: int, head: int, channels: tuple[int, ...], total: int | None
) -> None:
    with torch.device('meta'):
        network = RSIDE(backbone)
    widths = [channels[3] // 2**i for i in range(1, 6)]
    expected = classifier - head
    expected += channels[3] * widths[0] + 2 * widths[0]
    expected += sum(map(up_projection, widths[:-1], widths[1:]))
    expected += sum(up_projection(c, 16) for c in channels)
    expected += 25 * 64**2 + 2 * 64
    fused = widths[-1] + 64
    expected += 2 * (25 * fused**2 + 2 * fused) + 25 * fused + 1
    assert parameters_of(network) == expected
    assert total in {None, expected}


@pytest.mark.parametrize('backbone', ['resnet50', 'densenet161', 'senet154'])
def test_rside_predicts_at_half_size(backbone: str) -> None:
    with torch.device('meta'):
        network = RSIDE(backbone).eval()
        # 228 x 304 is what Hu et al. train at: 114 x 152.
        assert network(torch.zeros(1, 3, 228, 304)).shape == (1, 1, 114, 152)
        blocks = network.encoder(torch.zeros(1, 3, 64, 96))
    strides = [64 // block.shape[2] for block in blocks]
    assert strides == [4, 8, 16, 32]
    channels = (192, 384, 1056, 2208) if 'densenet' in backbone else (256, 512, 1024, 2048)
    assert tuple(block.shape[1] for block in blocks) == channels


def test_up_projection_is_both_branches() -> None:
    torch.manual_seed(0)
    module = UpProjection(3, 2).eval()
    x = torch.randn(1, 3, 4, 5)
    up = functional.interpolate(x, size=(8, 10), mode='bilinear', align_corners=False)
    first, norm1, _, second, norm2 = module.projection
    shortcut, norm = module.shortcut
    expected = norm2(second(norm1(first(up)).clamp(min=0))) + norm(shortcut(up))
    torch.testing.assert_close(module(x, (8, 10)), expected.clamp(min=0))


def test_macs_of_rside_by_hand() -> None:
    macs = count(Work(network='rside', backbone='resnet50'), (128, 160)).macs
    # At 128 x 160 the blocks have 32x40, 16x20, 8x10 and 4x5 pixels, the output 64x80.
    widths = [(1024, 512, 80), (512, 256, 320), (256, 128, 1280), (128, 64, 5120)]
    decoder = sum((50 * i * o + 9 * o * o) * pixels for i, o, pixels in widths)
    fusion = sum(50 * c * 16 + 9 * 16 * 16 for c in (256, 512, 1024, 2048)) * 5120
    last = (25 * 64**2 + 2 * 25 * 128**2 + 25 * 128) * 5120
    backbone = macs - decoder - fusion - last - 2048 * 1024 * 20
    # torchvision: 4.09 G for 224 x 224 with a head of 2 M.
    assert backbone == pytest.approx(4.087e9 * 128 * 160 / 224**2, rel=0.005)


def test_depth_anything_is_the_published_size() -> None:
    pytest.importorskip('transformers')
    counted = count(Work(network='depth_anything_v2_small'), (476, 644))
    # "Depth-Anything-V2-Small, 24.8 M", as its authors list it.
    assert counted.params == 24785089


def test_depth_anything_without_its_library_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == 'transformers':
            msg = "No module named 'transformers'"
            raise ModuleNotFoundError(msg)
        return plain(name, *rest, **named)

    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(OfflineError, match=r'transformers library.*offline\[baselines\]'):
        build_baseline('depth_anything_v2_small', 'dinov2_vits14')


def test_names_and_sizes() -> None:
    with pytest.raises(OfflineError, match="one of rside, depth_anything_v2_small, got 'midas'"):
        build_baseline('midas', 'resnet50')
    assert baseline_backbone('rside', 'senet154') == 'senet154'
    assert baseline_backbone('rside', 'efficientnet_lite0') == 'resnet50'
    assert baseline_size('rside', (480, 640)) == (480, 640)
    assert baseline_size('depth_anything_v2_small', (480, 640)) == (476, 644)
    assert baseline_size('depth_anything_v2_small', (240, 320)) == (238, 322)
