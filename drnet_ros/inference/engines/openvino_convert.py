"""Converts a weights file into an OpenVINO model: the only step that needs PyTorch.

Run as a program it writes the model into a folder. The engine starts it so, in a process of its
own, because importing PyTorch costs hundreds of megabytes that a robot's node never gives back.
It ends when its standard input does, so that it never outlives the node.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import openvino as ov
from openvino import opset13
from openvino.passes import ConstantFolding, Manager

from drnet_ros.errors import DrnetError, EngineError, missing_module, one_line, package_of

if TYPE_CHECKING:
    from drnet_ros.network.drnet import DRNet
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['MODEL_FILE', 'convert_network', 'main']

MODEL_FILE = 'model.xml'
_BYTE = 255.0
# Below this, one convolution is as fast as two.
_LEAST_SPLIT = 8


def convert_network(weights_path: Path, size_hw: tuple[int, int]) -> ov.Model:
    """Build the OpenVINO model of a network for one input size.

    Args:
        weights_path: The weights file.
        size_hw: Height and width of the input, multiples of 32.

    Returns:
        A model that takes an image as it is, uint8 (1, H, W, 3) RGB, normalises it inside, and
        gives depth in metres, float32 (1, 1, H, W).

    Raises:
        EngineError: If PyTorch or the backbone's library is missing, or the network cannot be
            converted.
        WeightsError: If the weights cannot be loaded.
    """
    try:
        import torch  # noqa: PLC0415

        from drnet_ros.network.checkpoint import load_network  # noqa: PLC0415

        network, metadata = load_network(weights_path)  # imports the backbone's library
    except ImportError as error:
        module = missing_module(error, 'torch')
        msg = (
            f'{module} must be installed to convert {weights_path.name} for a size that is not '
            f'cached yet, got: {error}; pip install {package_of(module)}, or start once where it '
            'is installed'
        )
        raise EngineError(msg) from error
    # One pass through the network is all; more threads would only get in the way of a busy robot.
    torch.set_num_threads(1)
    try:
        model = _with_image_input(_converted(network, size_hw), metadata)
        return _with_split_convolutions(model)
    except Exception as error:
        # The converter raises whatever its many parts raise; each means the same to the user.
        msg = f'{weights_path.name} must convert to OpenVINO at {size_hw}, got: {one_line(error)}'
        raise EngineError(msg) from error


def _converted(network: DRNet, size_hw: tuple[int, int]) -> ov.Model:
    import torch  # noqa: PLC0415

    class Finest(torch.nn.Module):
        """The network without its auxiliary outputs."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, rgb_bchw: torch.Tensor) -> torch.Tensor:
            finest: torch.Tensor = self.network(rgb_bchw)[0]
            return finest

    shape = (1, 3, *size_hw)
    example = torch.zeros(shape)
    with torch.no_grad():
        # Traced here, since the converter's own tracing runs the network twice more to check.
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            Finest().eval(), example, check_trace=False
        )
        return ov.convert_model(traced, example_input=example, input=[shape])


def _with_image_input(model: ov.Model, metadata: WeightsMetadata) -> ov.Model:
    """Put layout and normalisation into the graph, where they cost nothing of their own."""
    steps = ov.preprocess.PrePostProcessor(model)
    image = steps.input()
    image.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout('NHWC'))
    image.model().set_layout(ov.Layout('NCHW'))
    image.preprocess().convert_element_type(ov.Type.f32)
    image.preprocess().mean([value * _BYTE for value in metadata.mean])
    image.preprocess().scale([value * _BYTE for value in metadata.std])
    return steps.build()


def _with_split_convolutions(model: ov.Model) -> ov.Model:
    """Turn convolutions from many channels to one into a depthwise one and a sum; the same sums.

    The CPU computes output channels 16 at a time, so that a 3x3 convolution to one channel wastes
    15 of 16 multiplications, while a depthwise one wastes none: DRNet's corrections are such
    convolutions. In bf16 each channel's share of a sum is rounded too: measured on noise through
    97 channels, the mean error grows from 0.23 % to 0.28 %.
    """
    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(model)  # weights that the network computes from its parameters
    for node in model.get_ordered_ops():
        if node.get_type_name() != 'Convolution':
            continue
        kernels = node.input_value(1).get_node()
        channels_out, channels, height, width = kernels.get_output_shape(0)
        if channels_out != 1 or channels < _LEAST_SPLIT or height * width == 1:
            continue
        if kernels.get_type_name() != 'Constant':
            continue
        own = node.get_attributes()
        each = opset13.group_convolution(
            node.input_value(0),
            opset13.constant(kernels.data.reshape(channels, 1, 1, height, width)),
            own['strides'],
            own['pads_begin'],
            own['pads_end'],
            own['dilations'],
        )
        ones = opset13.constant(np.ones((1, channels, 1, 1), np.float32))
        zeros = [0, 0]
        total = opset13.convolution(each, ones, [1, 1], zeros, zeros, [1, 1])
        node.output(0).replace(total.output(0))
    model.validate_nodes_and_infer_types()
    return model


def main(arguments: list[str]) -> int:
    """Convert weights for one size and write the model.

    Args:
        arguments: Weights file, height, width and the folder to write to, which must exist.

    Returns:
        The exit code: 0, or 1 after one line that says what failed.
    """
    weights, height, width, folder = arguments
    try:
        model = convert_network(Path(weights), (int(height), int(width)))
        # float32 keeps the accuracy of the engine's precision fp32; bf16 rounds when it compiles.
        ov.save_model(model, Path(folder) / MODEL_FILE, compress_to_fp16=False)
    except (DrnetError, OSError) as error:
        sys.stderr.write(f'{error}\n')
        return 1
    return 0


def _end_with_parent() -> None:
    """End this process once standard input is at its end, as when the parent is killed."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=wait, name='lifeline', daemon=True).start()


if __name__ == '__main__':
    _end_with_parent()
    sys.exit(main(sys.argv[1:]))
