"""Converts a weights file into an ONNX model that takes images of any size.

Run as a program it writes the model, and an image with the depth that PyTorch gives for it: an
engine compares before it computes for a robot.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drnet_ros.errors import DrnetError, EngineError, missing_module, one_line, package_of
from drnet_ros.inference.engines.conversion import Conversion, serve_parent

if TYPE_CHECKING:
    from drnet_ros.network.drnet import DRNet
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['CONVERSION', 'REFERENCE_FILE', 'main', 'onnx_model']

REFERENCE_FILE = 'reference.npz'
_OPSET = 18  # the first that torch.onnx writes; TensorRT 10 and ONNX Runtime 1.14 read it
_REFERENCE_HW = (96, 128)

CONVERSION = Conversion(
    module='drnet_ros.inference.engines.onnx_convert',
    arguments=(),
    model_file='model.onnx',
    label='onnx',
    version=str(_OPSET),
    sources='onnx_convert.py',
)


def onnx_model(
    network: DRNet, metadata: WeightsMetadata, size_hw: tuple[int, int] | None = None
) -> Any:
    """Export a network from image to finest depth, with normalisation.

    Args:
        network: The network, in eval mode.
        metadata: Its normalisation is read.
        size_hw: Height and width of the input; None leaves them open, from 32 on.

    Returns:
        An `onnx.ModelProto` of opset 18: input `image`, uint8 (1, H, W, 3) RGB; output `depth`,
        float32 (1, 1, H, W), metres.

    Raises:
        ImportError: `onnx` or `onnxscript` is missing.
        EngineError: PyTorch exports nothing.
    """
    import onnx  # noqa: F401, PLC0415 - an extra
    import onnxscript  # noqa: F401, PLC0415 - what torch.onnx needs
    import torch  # noqa: PLC0415 - engines that read the model do without

    from drnet_ros.network.image_to_depth import ImageToDepth  # noqa: PLC0415 - imports PyTorch

    # Odd sides, where they are free: else padding would be left out as never needed.
    example = torch.zeros(1, *(size_hw or (97, 131)), 3, dtype=torch.uint8)
    free: Any = torch.export.Dim.DYNAMIC
    program = torch.onnx.export(
        ImageToDepth(network, metadata).eval(),
        (example,),
        dynamo=True,
        opset_version=_OPSET,
        input_names=['image'],
        output_names=['depth'],
        dynamic_shapes=None if size_hw else [{1: free, 2: free}],
        verbose=False,
    )
    if program is None:
        msg = f'{metadata.network.backbone} must export to ONNX, got nothing'
        raise EngineError(msg)
    return program.model_proto


def main(arguments: list[str]) -> int:
    """Convert weights; write the model and the reference.

    Args:
        arguments: Weights file and the folder to write to, which must exist.

    Returns:
        The exit code: 0, or 1 after one line that says what failed.
    """
    weights, folder = map(Path, arguments)
    try:
        _write(weights, folder)
    except ImportError as error:
        module = missing_module(error, 'torch')
        sys.stderr.write(
            f'{module} must be installed to export {weights.name} to ONNX, got: {error}; '
            f'pip install {package_of(module)}, or start once where it is installed\n'
        )
        return 1
    except (DrnetError, OSError) as error:
        sys.stderr.write(f'{error}\n')
        return 1
    except Exception as error:  # noqa: BLE001 - whatever the exporter's many parts raise
        sys.stderr.write(f'{weights.name} must export to ONNX, got: {one_line(error)}\n')
        return 1
    return 0


def _write(weights: Path, folder: Path) -> None:
    import torch  # noqa: PLC0415 - only the conversion needs it

    from drnet_ros.network.checkpoint import load_network  # noqa: PLC0415
    from drnet_ros.network.image_to_depth import ImageToDepth  # noqa: PLC0415

    torch.set_num_threads(1)  # more would only get in the way of a busy robot
    network, metadata = load_network(weights)
    image = np.random.default_rng(0).integers(0, 256, (*_REFERENCE_HW, 3), dtype=np.uint8)
    with torch.inference_mode():
        depth = ImageToDepth(network, metadata).eval()(torch.from_numpy(image[None]))
    np.savez(folder / REFERENCE_FILE, image_hwc=image, depth_hw=depth[0, 0].numpy())
    model = onnx_model(network, metadata)
    (folder / CONVERSION.model_file).write_bytes(model.SerializeToString())


if __name__ == '__main__':
    serve_parent()
    sys.exit(main(sys.argv[1:]))
