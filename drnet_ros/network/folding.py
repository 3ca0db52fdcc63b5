"""A network for inference alone: batch normalisation in its convolutions, constants computed once.

On a GPU each small operation is a kernel, which takes some microseconds however little it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from drnet_ros.network.config import STRIDE
from drnet_ros.network.drnet import DRNet, Level

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

__all__ = ['fold']


def fold(network: DRNet) -> None:
    """Fold batch normalisation into the convolutions before it, and keep constant kernels.

    Normalisation that follows no convolution stays: in DenseNet, where it comes first.

    Args:
        network: In eval mode, before it is brought to a lower precision; changed in place. It
            computes the same up to rounding, and can neither be trained nor stored any more.
    """
    for norm, convolution in _pairs(network).items():
        _fuse(convolution, norm)
    _replace_norms(network)
    for level in network.levels:
        if isinstance(level, Level):
            level.fold()


def _pairs(network: DRNet) -> dict[nn.Module, nn.Conv2d]:
    """Return each normalisation with the convolution whose output goes into it, by one pass."""
    made: dict[int, tuple[nn.Conv2d, Tensor]] = {}  # with the tensor, so that no id comes again
    pairs: dict[nn.Module, nn.Conv2d] = {}

    def note_output(module: Any, _: object, output: Tensor) -> None:
        made[id(output)] = module, output

    def note_input(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if id(inputs[0]) in made:
            pairs[module] = made[id(inputs[0])][0]

    hooks: list[RemovableHandle] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(note_output))
        elif isinstance(module, nn.BatchNorm2d):
            hooks.append(module.register_forward_pre_hook(note_input))
    with torch.inference_mode():
        network(next(network.parameters()).new_zeros(1, 3, STRIDE, STRIDE))
    for hook in hooks:
        hook.remove()
    return pairs


def _fuse(convolution: nn.Conv2d, norm: Any) -> None:
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        *(convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps),
        *(norm.weight, norm.bias),
    )
    norm.is_folded = True


def _replace_norms(network: DRNet) -> None:
    """Put in place of what is folded what else it does: those of timm hold an activation."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if getattr(child, 'is_folded', False):
                parent.add_module(name, getattr(child, 'act', nn.Identity()))
