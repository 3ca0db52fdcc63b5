"""Writes a network for other runtimes: ONNX, or OpenVINO's own format.

Both files have the same contract: input `image`, uint8 (1, H, W, 3), RGB, normalised inside;
output `depth`, float32 (1, 1, H, W), metres for the training camera. Everything else that a
program must know is in the file: `describe` says what.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from drnet_offline.errors import OfflineError
from drnet_offline.outputs.files import write_bytes
from drnet_ros.errors import one_line
from drnet_ros.inference.engines.onnx_convert import onnx_model
from drnet_ros.inference.engines.openvino_convert import convert_network
from drnet_ros.network.checkpoint import load_network
from drnet_ros.network.image_to_depth import ImageToDepth

if TYPE_CHECKING:
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['describe', 'difference_m', 'export_onnx', 'export_openvino']

_SECTION = 'drnet'


def describe(metadata: WeightsMetadata, size_hw: tuple[int, int] | None) -> dict[str, str]:
    """Return what the file must say about itself.

    Args:
        metadata: The weights'.
        size_hw: Height and width of the input, None if they are free.

    Returns:
        Names and texts; `metadata` holds the whole record of the weights as JSON.
    """
    height, width = size_hw or ('H', 'W')
    return {
        'input': f'image: uint8 (1, {height}, {width}, 3), RGB, 0..255; normalised inside the '
        'graph with mean and std',
        'output': f'depth: float32 (1, 1, {height}, {width}), metres along the optical axis as '
        'the training camera would see them; times f / f_training for a camera of focal length f '
        "in pixels of this input's size",
        'f_training': repr(metadata.f_training),
        'mean': ' '.join(map(repr, metadata.mean)),
        'std': ' '.join(map(repr, metadata.std)),
        'training_size': f'{metadata.input_height}x{metadata.input_width}',
        'depth_range': f'{metadata.min_depth!r} {metadata.max_depth!r}',
        'licence': metadata.licence,
        'metadata': metadata.to_json(),
    }


def export_onnx(weights: Path, path: Path, size_hw: tuple[int, int], *, is_free: bool) -> None:
    """Write an ONNX file of opset 18, weights inside.

    Args:
        weights: The weights file.
        path: The .onnx to write; replaced only once the new one is whole.
        size_hw: Height and width of the input.
        is_free: Leave height and width open: the file takes any from 32 on.

    Raises:
        OfflineError: A library is missing, or the file cannot be written.
        WeightsError: The weights cannot be loaded.
    """
    try:
        import onnx  # noqa: PLC0415 - an extra
        import onnxscript  # noqa: F401, PLC0415 - what torch.onnx needs
    except ImportError as error:
        msg = f"ONNX must be installed, got: {error}; pip install './offline[export]'"
        raise OfflineError(msg) from error
    # It warns of each operator that it leaves as it is.
    logging.getLogger('onnxscript.optimizer').setLevel(logging.ERROR)
    network, metadata = load_network(weights)
    model = onnx_model(network, metadata, None if is_free else size_hw)
    facts = describe(metadata, None if is_free else size_hw)
    onnx.helper.set_model_props(model, {f'{_SECTION}.{name}': facts[name] for name in facts})
    onnx.checker.check_model(model)
    write_bytes(path, model.SerializeToString())


def export_openvino(weights: Path, path: Path, size_hw: tuple[int, int]) -> None:
    """Write OpenVINO's .xml, and the .bin beside it.

    Args:
        weights: The weights file.
        path: The .xml to write.
        size_hw: Height and width of the input.

    Raises:
        EngineError: It cannot be converted.
        OfflineError: The disk has no room for it.
        WeightsError: The weights cannot be loaded.
    """
    from drnet_ros.inference.engines.openvino_float32 import save_model  # noqa: PLC0415 - not for ONNX
    from drnet_ros.network.metadata import read_metadata  # noqa: PLC0415 - beside its use

    model = convert_network(weights, size_hw, is_portable=True)
    model.input(0).set_names({'image'})
    model.output(0).set_names({'depth'})
    for name, text in describe(read_metadata(weights), size_hw).items():
        model.set_rt_info(text, [_SECTION, name])
    target = Path(os.path.realpath(path))  # links stay links
    with tempfile.TemporaryDirectory(dir=target.parent, prefix='.export_') as folder:
        whole = Path(folder) / target.name
        try:
            save_model(model, whole)
        except RuntimeError as error:  # in the words of a C++ stream: basic_ios::clear
            free_mb = shutil.disk_usage(folder).free / 1e6
            msg = f'cannot write {path}: {free_mb:.0f} MB free, got: {one_line(error)}'
            raise OfflineError(msg) from error
        whole.with_suffix('.bin').replace(target.with_suffix('.bin'))
        whole.replace(target)


def difference_m(weights: Path, path: Path, size_hw: tuple[int, int]) -> float:
    """Run an exported file and PyTorch in float32 on a noise image.

    Args:
        weights: The weights file.
        path: What was exported from it: .onnx runs in ONNX Runtime, .xml in OpenVINO.
        size_hw: Height and width of the image.

    Returns:
        The largest difference of their depths, metres.

    Raises:
        OfflineError: ONNX Runtime is missing.
    """
    image = np.random.default_rng(0).integers(0, 256, (1, *size_hw, 3), dtype=np.uint8)
    depth = _run_onnx(path, image) if path.suffix == '.onnx' else _run_openvino(path, image)
    network, metadata = load_network(weights)
    with torch.inference_mode():
        expected = ImageToDepth(network, metadata).eval()(torch.from_numpy(image)).numpy()
    return float(np.abs(depth - expected).max())


def _run_onnx(path: Path, image: Any) -> Any:
    try:
        import onnxruntime  # noqa: PLC0415 - an extra
    except ImportError as error:
        msg = f"ONNX Runtime must be installed, got: {error}; pip install './offline[export]'"
        raise OfflineError(msg) from error
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    return session.run(['depth'], {'image': image})[0]


def _run_openvino(path: Path, image: Any) -> Any:
    import openvino as ov  # noqa: PLC0415 - ONNX does without
    from openvino.properties import hint  # noqa: PLC0415

    options = {hint.inference_precision: ov.Type.f32}
    return ov.Core().compile_model(path, 'CPU', options)({'image': image})['depth']
