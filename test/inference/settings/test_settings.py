"""Settings: defaults, what is accepted, what is refused and with which words."""

from __future__ import annotations

import array
import dataclasses
import inspect
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drnet_ros.errors import SettingsError
from drnet_ros.inference import PARAMETERS, Settings
from drnet_ros.network.config import BACKBONE_NAMES


def test_defaults_are_valid_and_named_as_designed() -> None:
    settings = Settings()
    assert {
        'backbone', 'weights', 'guided_filter', 'correction_kernel', 'engine', 'device',
        'precision', 'input_size', 'output_size', 'depth_encoding', 'image_transport', 'cameras',
        'min_depth', 'max_depth', 'edge_threshold', 'points', 'point_stride', 'point_color',
        'scale_by_focal_length', 'lazy', 'autostart', 'input_reliability',
    } <= set(settings.to_mapping())  # fmt: skip
    assert Settings.from_mapping(settings.to_mapping()) == settings
    assert settings.weights == 'embedded'
    assert settings.cameras == ('',)


def test_every_parameter_has_text_group_and_a_default_within_its_limits() -> None:
    for spec in PARAMETERS:
        assert spec.text.endswith('.'), spec.name
        assert spec.group, spec.name
        assert spec.check(spec.default) == spec.default
        assert type(spec.check(spec.default)) is type(spec.default)


def test_backbones_are_those_of_the_network() -> None:
    spec = next(spec for spec in PARAMETERS if spec.name == 'backbone')
    assert spec.choices == ('auto', *BACKBONE_NAMES)


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().points = False  # type: ignore[misc]


@pytest.mark.parametrize(
    ('name', 'value', 'canonical'),
    [
        ('min_depth', 1, 1.0),
        ('min_depth', np.float32(0.5), 0.5),
        ('points', np.bool_(False), False),
        ('input_size', [240, 320], (240, 320)),
        ('input_size', array.array('q', [240, 320]), (240, 320)),
        ('input_size', np.array([240, 320]), (240, 320)),
        ('cameras', ['front', 'rig/rear_2'], ('front', 'rig/rear_2')),
        ('device', 'cuda:1', 'cuda:1'),
    ],
)
def test_values_become_canonical(name: str, value: object, canonical: object) -> None:
    got = getattr(Settings().changed(**{name: value}), name)
    assert got == canonical
    assert type(got) is type(canonical)


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'max_depth': 120.0}, 'max_depth must be at most 80.0 m, got 120.0'),
        ({'min_depth': 0.0}, 'min_depth must be at least 0.001 m, got 0.0'),
        ({'min_depth': math.nan}, 'min_depth must be a finite number, got nan'),
        ({'max_depth': math.inf}, 'max_depth must be a finite number, got inf'),
        ({'max_depth': '10'}, "max_depth must be a finite number, got '10'"),
        ({'min_depth': True}, 'min_depth must be a finite number, got True'),
        ({'point_stride': True}, 'point_stride must be an integer, got True'),
        ({'point_stride': 2.0}, 'point_stride must be an integer, got 2.0'),
        ({'points': 1}, 'points must be true or false, got 1'),
        ({'correction_kernel': 2}, 'correction_kernel must be one of 0, 1, 3, 5, got 2'),
        (
            {'engine': 'tflite'},
            "engine must be one of auto, torch, openvino, onnxruntime, tensorrt, got 'tflite'",
        ),
        (
            {'device': 'cuda:x'},
            "device must be auto, cpu, cuda or cuda:N, where N is the GPU's number, got 'cuda:x'",
        ),
        (
            {'cameras': ['1st']},
            (
                'cameras must be names of letters, digits and _ that start with no digit, such as '
                "front or left/wide, or '' for none, got ['1st']"
            ),
        ),
        ({'input_size': array.array('q', [240])}, 'input_size must be [height, width], got [240]'),
        (
            {'output_size': np.array([1, 2, 3])},
            'output_size must be [height, width], got [1, 2, 3]',
        ),
        ({'point_stride': np.int64(0)}, 'point_stride must be at least 1 px, got 0'),
        (
            {'image_transport': 'compresed'},
            (
                "image_transport must be one of raw, compressed, got 'compresed'; did you mean "
                'compressed?'
            ),
        ),
        ({'cameras': []}, 'cameras must be 1 to 16 names, got []'),
        ({'cameras': 'front'}, "cameras must be a list of strings, got 'front'"),
        ({'cameras': ['a', 'a']}, "cameras must all differ, got ['a', 'a']"),
        ({'input_size': [480]}, 'input_size must be [height, width], got [480]'),
        (
            {'input_size': [32, 512]},
            (
                'input_size must have sides of at most 8:1, got [32, 512]; only its area counts, '
                'so name one nearer to the shape of your images'
            ),
        ),
        (
            {'input_size': [8192, 8192]},
            (
                'input_size must have at most 8.4 megapixels, got [8192, 8192]; the image is '
                'resized to it, and depth seldom gets better beyond the training size, which '
                '[0, 0] stands for'
            ),
        ),
        ({'output_size': [-1, 5]}, 'output_size must be at least 0 px, got [-1, 5]'),
        (
            {'output_size': [0, 5]},
            (
                'output_size must be [height, width] with both sides at least 1 px, or [0, 0] for '
                'the default, got [0, 5]'
            ),
        ),
        (
            {'min_depth': 5.0, 'max_depth': 5.0},
            'min_depth must be less than max_depth, got min_depth 5.0 m and max_depth 5.0 m',
        ),
        (
            {'engine': 'openvino', 'device': 'cuda'},
            (
                "engine 'openvino' runs on device 'cpu' or 'auto', got 'cuda'; use engine 'torch' "
                'for CUDA'
            ),
        ),
        (
            {'weights': ' '},
            "weights must be 'embedded' or the path of a .safetensors file, got ''",
        ),
    ],
)
def test_refusals_say_what_must_hold_and_what_was_got(
    values: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_mapping(values)
    assert str(refusal.value) == message


def test_unknown_names_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"'max_dept' is unknown; did you mean max_depth\?"):
        Settings(max_dept=3.0)  # type: ignore[call-arg]
    with pytest.raises(SettingsError, match=r'given by name, got 3; write Settings\(max_depth='):
        Settings(3)  # type: ignore[arg-type, call-arg]
    assert list(inspect.signature(Settings).parameters)[:2] == ['weights', 'backbone']
    with pytest.raises(SettingsError, match=r"'max_dept' is unknown; did you mean max_depth\?"):
        Settings().changed(max_dept=3.0)
    with pytest.raises(SettingsError, match=r"'xyz' is unknown; known are .*max_depth, .*points"):
        Settings().changed(xyz=3.0)


def test_several_values_change_together() -> None:
    far = Settings().changed(min_depth=20.0, max_depth=60.0)
    assert (far.min_depth, far.max_depth) == (20.0, 60.0)


@given(
    name=st.sampled_from([spec.name for spec in PARAMETERS]),
    value=st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.lists(st.integers() | st.text(max_size=3), max_size=3),
)
def test_any_value_is_accepted_within_limits_or_refused(name: str, value: object) -> None:
    spec = next(spec for spec in PARAMETERS if spec.name == name)
    try:
        settings = Settings().changed(**{name: value})
    except SettingsError as refusal:
        assert '\n' not in str(refusal)  # noqa: PT017
    else:
        assert spec.check(getattr(settings, name)) == getattr(settings, name)


@pytest.mark.parametrize('values', [['max_depth'], None, 'max_depth', [('max_depth', 5.0)]])
def test_what_is_no_mapping_is_refused(values: Any) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_mapping(values)
    assert str(refusal.value) == (
        f'values must be a dict of parameters by name, got {values!r}; write '
        "Settings.from_mapping({'max_depth': 6.0})"
    )


def test_names_that_are_no_text_are_unknown() -> None:
    names: Any = {1: 2, 'max_dept': 3.0}
    with pytest.raises(SettingsError, match='parameter 1 is unknown; known are'):
        Settings.from_mapping(names)
