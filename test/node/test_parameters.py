"""Parameters: declared from the one source, changed live within bounds, refused with a reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from node_graph import Graph, NodeFactory, header, ramp, rgb_image
from rcl_interfaces.msg import ParameterType, SetParametersResult
from rcl_interfaces.srv import DescribeParameters, SetParameters, SetParametersAtomically
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from drnet_ros.errors import SettingsError
from drnet_ros.inference import PARAMETERS, Settings
from drnet_ros.node.depth_node import DepthNode


def set_remotely(graph: Graph, *parameters: Parameter[Any]) -> list[SetParametersResult]:
    request = SetParameters.Request(parameters=[given.to_parameter_msg() for given in parameters])
    answer = graph.call(SetParameters, 'depth_node/set_parameters', request)
    return list(answer.results)


def test_every_setting_is_a_parameter_with_its_default(start_node: NodeFactory) -> None:
    node = start_node(is_up=False)
    for spec in PARAMETERS:
        value = node.get_parameter(spec.name).value
        expected = list(spec.default) if isinstance(spec.default, tuple) else spec.default
        assert (list(value) if isinstance(expected, list) else value) == expected, spec.name
    assert node.settings == Settings()


def test_descriptors_tell_text_unit_range_and_what_is_read_only(
    graph: Graph, start_node: NodeFactory
) -> None:
    start_node()
    request = DescribeParameters.Request(names=[spec.name for spec in PARAMETERS])
    answer = graph.call(DescribeParameters, 'depth_node/describe_parameters', request)
    for spec, descriptor in zip(PARAMETERS, answer.descriptors, strict=True):
        assert descriptor.name == spec.name
        assert descriptor.description == spec.text
        assert descriptor.read_only is not spec.live
        assert descriptor.additional_constraints == spec.range_text
    max_depth = next(d for d in answer.descriptors if d.name == 'max_depth')
    assert max_depth.type == ParameterType.PARAMETER_DOUBLE
    assert max_depth.floating_point_range[0].to_value == 80.0
    assert 'm' in max_depth.additional_constraints.split()


def test_live_parameters_change_what_is_published(graph: Graph, start_node: NodeFactory) -> None:
    start_node()
    depths = graph.collect(Image, 'depth/image_rect')
    publisher = graph.publisher(Image, 'image')
    publisher.publish(rgb_image(ramp(), header(1)))
    assert depths.wait_for_stamp(header(1)).encoding == '32FC1'
    results = set_remotely(
        graph, Parameter('depth_encoding', value='16UC1'), Parameter('max_depth', value=1.2)
    )
    assert all(result.successful for result in results), results
    publisher.publish(rgb_image(ramp(), header(2)))
    message = depths.wait_for_stamp(header(2))
    assert message.encoding == '16UC1'
    depth = np.frombuffer(message.data, np.uint16).reshape(48, 64)
    assert (depth[0, 20], depth[0, 21]) == (1200, 0)


@pytest.mark.parametrize(
    ('name', 'value', 'reason'),
    [
        ('max_depth', 120.0, '80'),
        ('max_depth', float('nan'), 'nan'),
        ('max_depth', 0.05, 'min_depth must be less than max_depth'),
        ('depth_encoding', 'mono8', 'must be one of 32FC1, 16UC1'),
        ('point_stride', 0, '1'),
        ('points', 3, 'type'),
        ('weights', 'other.safetensors', 'read-only'),
        ('cameras', ['a', 'b'], 'read-only'),
    ],
)
def test_bad_or_read_only_changes_are_refused_with_a_reason(
    graph: Graph, start_node: NodeFactory, name: str, value: object, reason: str
) -> None:
    node = start_node()
    before = node.settings
    (result,) = set_remotely(graph, Parameter(name, value=value))
    assert not result.successful
    assert reason.lower() in result.reason.lower(), result.reason
    assert node.settings == before


def test_whole_numbers_are_taken_for_decimal_ones(graph: Graph, start_node: NodeFactory) -> None:
    node = start_node(max_depth=8)
    assert node.settings.max_depth == 8.0
    (result,) = set_remotely(graph, Parameter('max_depth', value=7))
    assert result.successful, result.reason
    assert node.settings.max_depth == 7.0
    assert node.get_parameter('max_depth').value == 7.0


def test_changes_set_together_are_checked_together(graph: Graph, start_node: NodeFactory) -> None:
    node = start_node()
    both = [Parameter('min_depth', value=20.0), Parameter('max_depth', value=40.0)]
    request = SetParametersAtomically.Request(
        parameters=[parameter.to_parameter_msg() for parameter in both]
    )
    answer = graph.call(SetParametersAtomically, 'depth_node/set_parameters_atomically', request)
    assert answer.result.successful
    assert (node.settings.min_depth, node.settings.max_depth) == (20.0, 40.0)


@pytest.mark.parametrize(
    ('name', 'value', 'message'),
    [
        ('max_depth', 120.0, 'max_depth must be at most 80.0 m, got 120.0'),
        ('max_depth', float('nan'), 'max_depth must be a finite number, got nan'),
        (
            'engine',
            'tflite',
            "engine must be one of auto, torch, openvino, onnxruntime, tensorrt, got 'tflite'",
        ),
        ('lazy', 'yes', "lazy must be true or false, got 'yes'"),
        ('input_size', [480], 'input_size must be [height, width], got [480]'),
        ('cameras', ['a', 'a'], "cameras must all differ, got ['a', 'a']"),
    ],
)
def test_bad_initial_values_are_settings_errors_that_say_what_must_hold(
    name: str, value: object, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        DepthNode(parameter_overrides=[Parameter(name, value=value)])
    assert str(caught.value) == message


def test_unknown_parameters_are_pointed_out(
    start_node: NodeFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    start_node(is_up=False, max_dpeth=3.0)
    said = capfd.readouterr().err
    assert "'max_dpeth' is unknown and has no effect; did you mean max_depth?" in said


def test_qos_overrides_without_effect_are_pointed_out(
    start_node: NodeFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    start_node(
        **{
            'qos_overrides./imgae.subscription.reliability': 'reliable',
            'qos_overrides./image.subscription.deadline': 1000,
            'qos_overrides./camera_info.subscription.durability': 'volatile',
        }
    )
    said = capfd.readouterr().err
    assert (
        "'qos_overrides./imgae.subscription.reliability' has no effect; did you mean "
        'qos_overrides./image.subscription.reliability?'
    ) in said
    assert "'qos_overrides./image.subscription.deadline' has no effect" in said
    assert 'camera_info.subscription' not in said


def test_parameters_changed_while_inactive_hold_once_active(
    graph: Graph, start_node: NodeFactory
) -> None:
    node = start_node()
    assert node.trigger_deactivate() is TransitionCallbackReturn.SUCCESS
    results = set_remotely(graph, Parameter('max_depth', value=1.2))
    assert results[0].successful
    assert node.trigger_activate() is TransitionCallbackReturn.SUCCESS
    depths = graph.collect(Image, 'depth/image_rect')
    publisher = graph.publisher(Image, 'image')
    publisher.publish(rgb_image(ramp(), header(1)))
    message = depths.wait_for_stamp(header(1))
    depth = np.frombuffer(message.data, np.float32)
    assert np.isnan(depth).any()
    assert np.nanmax(depth) <= 1.2


@pytest.mark.parametrize(
    ('end', 'policy', 'value', 'state'),
    [
        ('image.subscription', 'depth', -3, 'inactive'),
        ('camera_info.subscription', 'history', 'sometimes', 'inactive'),
        ('points.publisher', 'depth', -3, 'unconfigured'),
        ('depth/image_rect.publisher', 'reliability', 'sometimes', 'unconfigured'),
        ('depth/camera_info.publisher', 'depth', 'five', 'unconfigured'),
    ],
)
def test_bad_qos_override_refuses_activation_in_one_line(
    start_node: NodeFactory,
    capfd: pytest.CaptureFixture[str],
    end: str,
    policy: str,
    value: object,
    state: str,
) -> None:
    node = start_node(is_up=False, **{f'qos_overrides./{end}.{policy}': value})
    assert not node.bring_up()
    assert node.state == state
    said = capfd.readouterr().err
    (line,) = [line for line in said.splitlines() if '[FATAL]' in line]
    assert f'qos_overrides./{end} must be a QoS that ROS takes, got: ' in line
    assert 'Traceback' not in said


def test_one_topic_for_images_and_camera_info_is_refused_in_words(
    start_node: NodeFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    node = start_node(is_up=False, arguments=('-r', 'image:=/cam', '-r', 'camera_info:=/cam'))
    assert not node.bring_up()
    (line,) = [line for line in capfd.readouterr().err.splitlines() if '[FATAL]' in line]
    assert '/cam must have messages of one type, and this node uses it for two' in line


def test_diagnostics_come_without_a_clock(graph: Graph, start_node: NodeFactory) -> None:
    start_node(use_sim_time=True)
    reports = graph.collect(DiagnosticArray, '/diagnostics')
    status = reports.wait_for(1)[0].status[0]
    assert status.hardware_id == 'drnet_ros'
