"""Backbones are their classifiers without the head, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch

from drnet_ros.network import backbones
from drnet_ros.network.backbones import BACKBONES, Backbone, build_backbone


def classify(name: str, net: Any, features: torch.Tensor) -> torch.Tensor:
    """Put the head back on."""
    if name.startswith('resnet'):
        pooled = net.avgpool(features)
        return torch.as_tensor(net.fc(pooled.flatten(1)))
    if name.startswith('densenet'):
        return torch.as_tensor(net.classifier(features.mean((2, 3))))
    if name.startswith('efficientnet'):
        features = net.bn2(net.conv_head(features))
    return torch.as_tensor(net.forward_head(features))


@pytest.mark.parametrize('name', ['resnet50', 'densenet161', 'efficientnet_lite0', 'senet'])
def test_the_stages_and_the_head_are_the_classifier(name: str) -> None:
    torch.manual_seed(0)
    if name == 'senet':  # senet154's little sister: the same parts in a twentieth of the time
        net = timm.create_model('legacy_seresnext26_32x4d').eval()
        backbone = Backbone(backbones._cut_senet(net))
    else:
        spec = BACKBONES[name]
        net = spec.create_classifier().eval()
        backbone = Backbone(spec.cut(net))
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected = net(x)
        features = backbone.eval()(x)
        kept = [feature.clone() for feature in features]
        scores = classify(name, net, features[4])
    torch.testing.assert_close(scores, expected)
    # No later stage writes into what an earlier one gave to the decoder.
    with torch.no_grad():
        for stage, feature in zip(backbone.stages[1:], kept, strict=False):
            before = feature.clone()
            stage(feature)
            assert torch.equal(feature, before)


def test_given_weights_are_used_and_the_head_is_dropped() -> None:
    net = BACKBONES['efficientnet_lite0'].create_classifier()
    state = net.state_dict()
    backbone = build_backbone('efficientnet_lite0', classifier_state=state)
    own = backbone.state_dict()
    assert torch.equal(own['stages.0.0.weight'], state['conv_stem.weight'])
    assert not any('classifier' in name or 'conv_head' in name for name in own)
    with pytest.raises(RuntimeError, match='Missing key'):
        build_backbone('efficientnet_lite0', classifier_state={})
    with pytest.raises(KeyError):
        build_backbone('vgg16')
