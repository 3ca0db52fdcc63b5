"""Converts a weights file into an OpenVINO model, in a process of its own.

Of weights with a portable model beside them, as the embedded ones and those of `drnet train` and
`drnet adapt` have it, it is made of that; only of others it needs PyTorch. With PyTorch, networks
with a guided filter get guides for this CPU.

Run as a program it writes the model into a folder. The engine starts it so, in a process of its
own, because importing PyTorch costs hundreds of megabytes that a robot's node never gives back.
It ends when its standard input does, so that it never outlives the node.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import openvino as ov
from openvino.properties import hint

from drnet_ros.errors import DrnetError, EngineError, missing_module, one_line, package_of
from drnet_ros.inference.engines.conversion import NO_ROOM, serve_parent
from drnet_ros.inference.engines.openvino_float32 import save_model
from drnet_ros.inference.engines.openvino_portable import read_portable, write_command
from drnet_ros.inference.engines.openvino_rewrites import rewrite_model
from drnet_ros.network.metadata import read_metadata

if TYPE_CHECKING:
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['MODEL_FILE', 'convert_network', 'main']

MODEL_FILE = 'model.xml'
_BYTE = 255.0


def convert_network(
    weights_path: Path, size_hw: tuple[int, int], *, is_portable: bool = False
) -> ov.Model:
    """Build the OpenVINO model of a network for one input size.

    It is made of the portable model beside the weights, if there is one of them, else by PyTorch;
    that of a network with a guided filter by PyTorch, if that is installed.

    Args:
        weights_path: The weights file.
        size_hw: Height and width of the input, multiples of 32.
        is_portable: For any CPU, not for this one alone.

    Returns:
        A model that takes an image as it is, uint8 (1, H, W, 3) RGB, normalises it inside, and
        gives depth in metres, float32 (1, 1, H, W).

    Raises:
        EngineError: If PyTorch or the backbone's library is missing, or the network cannot be
            converted.
        WeightsError: If the weights cannot be loaded.
    """
    metadata = read_metadata(weights_path)
    try:
        network = read_portable(weights_path)
        # Guides for this CPU alone are faster, and only PyTorch can write them.
        is_best = is_portable or not metadata.network.guided_filter
        if network is not None and is_best:
            return _finished(network, size_hw, metadata)
        try:
            return _from_pytorch(weights_path, size_hw, metadata, is_portable=is_portable)
        except ImportError:
            if network is None:
                raise
            return _finished(network, size_hw, metadata)
    except ImportError as error:
        module = missing_module(error, 'torch')
        msg = (
            f'{module} must be installed to convert {weights_path.name} for a size that is not '
            f'cached yet, got: {error}; pip install {package_of(module)}, or run '
            f'{write_command(weights_path)} where it is installed, and put the .xml and .bin that '
            'it writes beside the weights'
        )
        raise EngineError(msg) from error
    except DrnetError:
        raise
    except Exception as error:
        # The converter raises whatever its many parts raise; each means the same to the user.
        msg = f'{weights_path.name} must convert to OpenVINO at {size_hw}, got: {one_line(error)}'
        raise EngineError(msg) from error


def _from_pytorch(
    weights_path: Path, size_hw: tuple[int, int], metadata: WeightsMetadata, *, is_portable: bool
) -> ov.Model:
    from drnet_ros.inference.engines.openvino_trace import trace_network  # noqa: PLC0415 - PyTorch

    if metadata.network.guided_filter and not is_portable:
        network = trace_network(weights_path, size_hw, pixelwise_guides=True)
        model = _finished(network, size_hw, metadata)
        if _can_run(model):
            return model
    return _finished(trace_network(weights_path, size_hw), size_hw, metadata)


def _finished(network: ov.Model, size_hw: tuple[int, int], metadata: WeightsMetadata) -> ov.Model:
    network.reshape([1, 3, *size_hw])
    model = _with_image_input(network, metadata)
    rewrite_model(model)
    return model


def _can_run(model: ov.Model) -> bool:
    """Return whether this CPU can compute a model.

    OpenVINO fuses the sums of a guide into one kernel. With the 16 registers of a CPU without
    AVX512, it raises 'not enough registers'.
    """
    try:
        ov.Core().compile_model(model, 'CPU', {hint.inference_precision: ov.Type.f32})
    except RuntimeError:
        return False
    return True


def _with_image_input(model: ov.Model, metadata: WeightsMetadata) -> ov.Model:
    """Put layout and normalisation into the graph, where they cost nothing of their own."""
    steps = ov.preprocess.PrePostProcessor(model)
    image = steps.input()
    image.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout('NHWC'))
    image.model().set_layout(ov.Layout('NCHW'))
    # First: bytes change places in less time than floats.
    image.preprocess().convert_layout(ov.Layout('NCHW'))
    image.preprocess().convert_element_type(ov.Type.f32)
    image.preprocess().mean([value * _BYTE for value in metadata.mean])
    image.preprocess().scale([value * _BYTE for value in metadata.std])
    return steps.build()


def main(arguments: list[str]) -> int:
    """Convert weights for one size and write the model.

    Args:
        arguments: Weights file, height, width and the folder to write to, which must exist.

    Returns:
        The exit code: 0; 1 after one line that says what failed; `NO_ROOM` if the model cannot
        be written.
    """
    weights, height, width, folder = arguments
    try:
        model = convert_network(Path(weights), (int(height), int(width)))
    except (DrnetError, OSError) as error:
        sys.stderr.write(f'{error}\n')
        return 1
    try:
        save_model(model, Path(folder) / MODEL_FILE)
    except (OSError, RuntimeError) as error:
        free_mb = shutil.disk_usage(folder).free / 1e6
        # OpenVINO's own words are those of a C++ stream: basic_ios::clear.
        sys.stderr.write(f'{free_mb:.0f} MB free and {one_line(error)}\n')
        return NO_ROOM
    return 0


if __name__ == '__main__':
    serve_parent()
    sys.exit(main(sys.argv[1:]))
