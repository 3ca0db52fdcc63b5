"""Keeps sums of depth and a narrow stem in float32 where OpenVINO computes in half precision.

At 4 m bfloat16 steps by 3 cm and float16 by 4 mm: depth that is rounded at every level is noisy
on flat walls, and the guided filter's variances lose all their digits. OpenVINO takes one
precision for a whole model. A single operation is exempt if its `rt_info` in the .xml holds the
attribute `DisablePrecisionConversion`. OpenVINO loses that attribute where it replaces an
operation by an older one, so `openvino_rewrites` leaves none that it would replace, and
`is_depth_in_float32` looks at what was compiled.

What the first convolutions of the light backbones give are small differences of large terms. With
their weights in bfloat16, depth of near scenes was off by 1 to 4 %, the whole image alike.
They have so few channels that float32 costs 1 % of the time.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import openvino as ov

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ['depth_nodes', 'is_depth_in_float32', 'save_model', 'stem_nodes']

_PREFIX = 'float32/'
_STEM_PREFIX = 'stem/'
_NARROW = 32  # channels; all but the light backbones begin with 64 or more
_ATTRIBUTE = {
    'name': 'DisablePrecisionConversion',
    'version': '0',
    'value': 'dynamic:dynamic',  # from any type to any other
}
_CONVOLUTIONS = {'Convolution', 'GroupConvolution'}
_POINTWISE = {'Add', 'Multiply', 'Clamp'}
_HALF = {ov.Type.bf16, ov.Type.f16}


def depth_nodes(model: ov.Model) -> list[ov.Node]:
    """Return the operations that depth passes between the convolutions and the output.

    Those are the sums over the levels and what upsamples depth, the guided filter too. A
    convolution of many channels, with its bias, belongs to the features; one of a single channel
    upsamples depth.

    Args:
        model: A DRNet of one output, depth.

    Returns:
        The operations of type float32, constants left out.
    """
    found: dict[str, ov.Node] = {}
    ahead = [model.output(0).get_node().input_value(0).get_node()]
    while ahead:
        node = ahead.pop()
        name = node.get_name()  # unique, unlike the friendly one
        if name in found or _ends_depth(node):
            continue
        found[name] = node
        ahead.extend(value.get_node() for value in node.input_values())
    return list(found.values())


def _ends_depth(node: ov.Node) -> bool:
    if node.get_type_name() in {'Constant', 'Parameter'}:
        return True
    if node.get_output_element_type(0) != ov.Type.f32:
        return True
    inputs = [value.get_node() for value in node.input_values()]
    if node.get_type_name() == 'Add' and inputs[1].get_type_name() == 'Constant':
        return _convolves_features(inputs[0])  # with its bias it is one operation of the CPU
    return _convolves_features(node)


def _convolves_features(node: ov.Node) -> bool:
    return _is_convolution(node) and node.input(0).get_shape()[1] > 1


def stem_nodes(model: ov.Model) -> list[ov.Node]:
    """Return the convolutions that the network begins with, while they are narrow.

    The first is the one nearest the input that makes the image smaller, which guides of the guided
    filter do not. Norms and activations between the convolutions belong to them.

    Args:
        model: A DRNet of one output, depth.

    Returns:
        The operations of the chain before it branches, or before a convolution of more than 32
        channels; none if the first of all is wider.
    """
    strided = (n for n in model.get_ordered_ops() if _is_convolution(n) and _stride(n) > 1)
    node = next(strided, None)
    found: list[ov.Node] = []
    while node is not None and _is_narrow(node):
        found.append(node)
        users = [target.get_node() for target in node.output(0).get_target_inputs()]
        node = users[0] if len(users) == 1 else None
    return found


def _is_convolution(node: ov.Node) -> bool:
    return node.get_type_name() in _CONVOLUTIONS


def _stride(node: ov.Node) -> int:
    return int(max(node.get_attributes()['strides']))


def _is_narrow(node: ov.Node) -> bool:
    is_known = _is_convolution(node) or node.get_type_name() in _POINTWISE
    return is_known and node.get_output_shape(0)[1] <= _NARROW


def save_model(model: ov.Model, path: Path) -> None:
    """Write a model whose depth and stem stay float32 in whatever precision it is compiled for.

    Weights are written in float32: half precision rounds when it compiles.

    Args:
        model: A DRNet of one output, depth; the operations that stay get new names.
        path: The .xml to write; the .bin goes beside it.
    """
    for prefix, nodes in ((_PREFIX, depth_nodes(model)), (_STEM_PREFIX, stem_nodes(model))):
        for index, node in enumerate(nodes):
            node.set_friendly_name(f'{prefix}{index}/{node.get_friendly_name()}')
    ov.save_model(model, path, compress_to_fp16=False)
    tree = ET.parse(path)  # noqa: S314 - written by the line above
    for layer in tree.iter('layer'):
        if layer.get('name', '').startswith((_PREFIX, _STEM_PREFIX)):
            facts = layer.find('rt_info')
            if facts is None:
                facts = ET.SubElement(layer, 'rt_info')
            ET.SubElement(facts, 'attribute', _ATTRIBUTE)
    tree.write(path)


def is_depth_in_float32(compiled: ov.CompiledModel) -> bool:
    """Whether a compiled model computes depth in float32, as `save_model` asks for.

    Args:
        compiled: A model read from a file that `save_model` wrote.

    Returns:
        False if any of its depth operations gives another type: this OpenVINO does not know the
        attribute, or replaces operations that others leave.
    """
    for node in compiled.get_runtime_model().get_ops():
        facts = node.get_rt_info()
        if 'originalLayersNames' not in facts:
            continue
        names = str(facts['originalLayersNames'].value)
        is_marked = any(name.startswith(_PREFIX) for name in names.split(','))
        if is_marked and node.get_output_element_type(0) in _HALF:
            return False
    return True
