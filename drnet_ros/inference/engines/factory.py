"""Creates the engine that the settings ask for; the only module that knows them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drnet_ros.errors import EngineError, missing_module, package_of
from drnet_ros.inference.engines.devices import has_cuda

if TYPE_CHECKING:
    from pathlib import Path

    from drnet_ros.inference.engines.engine import Engine
    from drnet_ros.inference.settings import Settings
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['create_engine']


def create_engine(settings: Settings, weights_path: Path, metadata: WeightsMetadata) -> Engine:
    """Create the engine that the settings ask for; imports its library only now.

    Args:
        settings: `engine`, and what the engine reads.
        weights_path: The weights file.
        metadata: What the weights file says about itself.

    Returns:
        The engine, ready to `prepare` or `submit`.

    Raises:
        EngineError: If a library of the engine is missing, or it cannot run as configured.
        WeightsError: If the weights cannot be loaded.
    """
    name = _chosen(settings)
    try:
        if name == 'torch':
            from drnet_ros.inference.engines.torch_engine import TorchEngine  # noqa: PLC0415

            return TorchEngine(settings, weights_path, metadata)
        if name == 'tensorrt':
            from drnet_ros.inference.engines.tensorrt_engine import TensorrtEngine  # noqa: PLC0415

            return TensorrtEngine(settings, weights_path, metadata)
        if name == 'onnxruntime':
            from drnet_ros.inference.engines.onnxruntime_engine import OnnxruntimeEngine  # noqa: PLC0415

            return OnnxruntimeEngine(settings, weights_path, metadata)
        from drnet_ros.inference.engines.openvino_engine import OpenvinoEngine  # noqa: PLC0415

        return OpenvinoEngine(settings, weights_path, metadata)
    except ImportError as error:
        module = missing_module(error, name)
        msg = (
            f'engine {name!r} must have {module} installed, got: {error}; '
            f'pip install {package_of(module)}'
        )
        raise EngineError(msg) from error


def _chosen(settings: Settings) -> str:
    if settings.engine != 'auto':
        return settings.engine
    if settings.device == 'auto':
        return 'torch' if has_cuda() else 'openvino'
    return 'torch' if settings.device.startswith('cuda') else 'openvino'
