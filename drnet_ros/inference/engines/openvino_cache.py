"""OpenVINO models of a network, one for each input size, from the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import openvino as ov

from drnet_ros.inference.engines.conversion import Conversion
from drnet_ros.inference.engines.model_cache import cached_model
from drnet_ros.inference.engines.openvino_convert import MODEL_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['conversion_to', 'converted_model']


def conversion_to(size_hw: tuple[int, int]) -> Conversion:
    """Return the conversion to an OpenVINO model.

    Args:
        size_hw: Height and width of the network's input.
    """
    height, width = size_hw
    return Conversion(
        module='drnet_ros.inference.engines.openvino_convert',
        arguments=(str(height), str(width)),
        model_file=MODEL_FILE,
        label=f'{height}x{width}',
        version=ov.__version__,
        sources='openvino_*.py',
    )


def converted_model(
    weights_path: Path, metadata: WeightsMetadata, size_hw: tuple[int, int], folder: Path
) -> Path:
    """Return the converted model, from the cache where it is there, else made and kept.

    Args:
        weights_path: The weights file.
        metadata: Its metadata.
        size_hw: Height and width of the network's input.
        folder: The cache; several processes may use it at once.

    Returns:
        The model's .xml; its .bin lies beside it.

    Raises:
        EngineError: If the network cannot be converted, or the cache has no room for it.
    """
    return cached_model(weights_path, metadata, conversion_to(size_hw), folder)
