"""The record of a weights file: round trip, and every refusal by its message."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drnet_ros.errors import WeightsError
from drnet_ros.network.config import BACKBONE_NAMES, CORRECTION_KERNELS, NetworkConfig
from drnet_ros.network.metadata import WeightsMetadata

SOUND = WeightsMetadata(
    network=NetworkConfig(),
    input_height=192,
    input_width=256,
    f_training=210.0,
    min_depth=0.1,
    max_depth=10.0,
)

networks = st.builds(
    NetworkConfig,
    backbone=st.sampled_from(BACKBONE_NAMES),
    guided_filter=st.booleans(),
    correction_kernel=st.sampled_from(CORRECTION_KERNELS),
    diagonal_connections=st.booleans(),
    decoder_channels=st.just(()) | st.tuples(*[st.integers(1, 512)] * 4),
) | st.builds(
    NetworkConfig, backbone=st.sampled_from(BACKBONE_NAMES), second_branch=st.just(False)
)


@st.composite
def records(draw: st.DrawFn) -> WeightsMetadata:
    height, width = draw(st.integers(1, 2048)), draw(st.integers(1, 4096))
    focal = draw(st.floats(0.06, 49.0)) * max(height, width)
    facts = draw(other_facts)
    return replace(facts, input_height=height, input_width=width, f_training=focal)


other_facts = st.builds(
    WeightsMetadata,
    network=networks,
    input_height=st.just(100),
    input_width=st.just(100),
    f_training=st.just(100.0),
    min_depth=st.floats(0, 1),
    max_depth=st.floats(1.5, 1e3),
    mean=st.tuples(*[st.floats(-10, 10)] * 3),
    std=st.tuples(*[st.floats(0.001, 10)] * 3),
    licence=st.text(),
    metrics=st.dictionaries(st.text(), st.floats(allow_nan=False) | st.text() | st.integers()),
)


@given(records())
def test_what_is_written_is_read(record: WeightsMetadata) -> None:
    assert WeightsMetadata.from_json(record.to_json()) == record


@given(networks)
def test_network_choices_survive_json(network: NetworkConfig) -> None:
    assert NetworkConfig.from_dict(json.loads(json.dumps(network.to_dict()))) == network


@pytest.mark.parametrize(
    ('choices', 'message'),
    [
        ({'backbone': 'vgg16'}, "backbone must be one of .*senet154, got 'vgg16'"),
        ({'correction_kernel': 2}, 'correction_kernel must be 1, 3 or 5, got 2'),
        ({'decoder_channels': (8, 8, 8)}, r'four whole numbers above 0 or none, got \(8, 8, 8\)'),
        ({'decoder_channels': (8, 8, 8, 0)}, 'decoder_channels must be four whole numbers'),
        ({'decoder_channels': (8, 8, 8, 8.0)}, 'decoder_channels must be four whole numbers'),
        ({'guided_filter': True, 'second_branch': False}, 'guided_filter must be off where'),
    ],
)
def test_impossible_networks(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        NetworkConfig(**choices)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'input_height': 0}, r'input_height must be a whole number in 1\.\.8192 px, got 0'),
        ({'input_width': 10**400}, 'input_width must be a whole number'),
        ({'input_width': 256.0}, r'input_width must be a whole number .*, got 256\.0'),
        ({'input_width': True}, 'input_width must be a whole number'),
        ({'mean': (0.5, 0.5)}, r'mean must be three finite numbers, got \(0\.5, 0\.5\)'),
        ({'mean': (0.5, 0.5, float('nan'))}, 'mean must be three finite numbers'),
        ({'mean': (123.7, 116.3, 103.5)}, r'mean must be that of RGB in 0\.\.1, not in 0\.\.255'),
        ({'std': (0.2, '0.2', 0.2)}, 'std must be three finite numbers'),
        ({'std': (0.2, 0.0, 0.2)}, r'std must be that of RGB in 0\.\.1, within 0\.001\.\.10'),
        ({'std': (58.4, 57.1, 57.4)}, r'std must be that of RGB in 0\.\.1'),
        ({'f_training': 0.0}, r'f_training must be 12\.8 to 12800 px for an input of 256 px'),
        ({'f_training': 1e-3}, r'f_training must be .* \(169 to 1 degrees of view\), got 0\.001'),
        ({'f_training': 1e9}, 'f_training must be .*write the focal length of the training im'),
        ({'f_training': float('inf')}, 'f_training must be'),
        ({'f_training': 10**400}, 'f_training must be'),
        (
            {'input_height': 8192, 'input_width': 8192},
            r'at most 8\.4 megapixels, got input_height 8192 and input_width 8192: write the size',
        ),
        ({'min_depth': 10.0}, r'0 <= min_depth < max_depth must hold.*got 10\.0 and 10\.0'),
        ({'min_depth': -0.1}, '0 <= min_depth < max_depth must hold'),
        ({'max_depth': float('nan')}, '0 <= min_depth < max_depth must hold'),
    ],
)
def test_impossible_records(change: dict[str, Any], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        replace(SOUND, **change)


def changed(**change: object) -> str:
    return json.dumps({**json.loads(SOUND.to_json()), **change})


def without(name: str) -> str:
    return json.dumps({k: v for k, v in json.loads(SOUND.to_json()).items() if k != name})


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'weights metadata must be the record that "drnet train" writes'),
        ('[]', 'weights metadata must be the record'),
        ('3', 'weights metadata must be the record'),
        ('[' * 100_000, 'weights metadata must be the record'),
        (changed(format_version=2), 'format version 2, this drnet_ros reads version 1: install'),
        (changed(format_version=True), 'format version True, this drnet_ros reads version 1'),
        (without('format_version'), "weights metadata must have the entry 'format_version'"),
        (without('network'), "weights metadata must have the entry 'network'"),
        (without('f_training'), "must be the record .*'f_training'"),
        (changed(colour=1), "must be the record .*'colour'"),
        (changed(mean=None), 'must be the record'),
        (changed(licence=3), 'licence must be text, got 3'),
        (changed(metrics=[1]), r'metrics must be names with values, got \[1\]'),
        (changed(network=None), 'must be the record'),
        (changed(network={}), 'a network must name its backbone'),
        (changed(network={'backbone': 'resnet50', 'depth': 1}), "unknown network choice 'depth'"),
        (changed(network={'backbone': 3}), 'network choice backbone must be str, got 3'),
        (
            changed(network={'backbone': 'resnet50', 'correction_kernel': True}),
            'network choice correction_kernel must be int, got True',
        ),
        (
            changed(network={'backbone': 'resnet50', 'decoder_channels': [1, 2, 3, '4']}),
            'decoder_channels must be four whole numbers',
        ),
    ],
    ids=str,
)
def test_malformed_records(text: str, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        WeightsMetadata.from_json(text)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists), st.data())
def test_any_other_value_is_refused_in_one_way(value: object, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(json.loads(SOUND.to_json()))))
    try:
        WeightsMetadata.from_json(changed(**{name: value}))
    except WeightsError as error:
        assert '\n' not in str(error)  # noqa: PT017 - some values are sound
