"""Creates the engine that the settings ask for; the only module that knows them all."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from drnet_ros.errors import EngineError, SettingsError, WeightsError, missing_module, package_of
from drnet_ros.inference.engines.devices import has_cuda
from drnet_ros.inference.engines.engine import Engine
from drnet_ros.inference.settings import Settings
from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['check_engine', 'create_engine']


def check_engine(engine: object) -> None:
    """Refuse what should be an engine of the caller's and is none.

    Args:
        engine: An Engine, or None.

    Raises:
        EngineError: It is something else.
    """
    if not isinstance(engine, Engine | None):
        msg = (
            f'engine must be an Engine, got {engine!r:.80}; the settings name one of ours: '
            "write Settings(engine='torch')"
        )
        raise EngineError(msg)


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
        SettingsError: If the settings are none.
        WeightsError: If the weights cannot be loaded, or path or metadata are none.
    """
    _check_arguments(settings, weights_path, metadata)
    weights_path = Path(weights_path)
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
        remedy = f'pip install {package_of(module)}'
        if name == 'tensorrt' and module in {'onnxruntime', 'tensorrt'}:
            # The onnxruntime of PyPI is for CPUs, and a Jetson has packages of its own.
            remedy = 'pip install onnxruntime-gpu tensorrt, or on a Jetson as docs/jetson.md says'
        msg = f'engine {name!r} must have {module} installed, got: {error}; {remedy}'
        raise EngineError(msg) from error


def _check_arguments(settings: object, weights_path: object, metadata: object) -> None:
    if not isinstance(settings, Settings):
        msg = f'settings must be a Settings, got {settings!r:.80}; write Settings()'
        raise SettingsError(msg)
    if not isinstance(weights_path, str | PathLike):
        msg = f'weights_path must be the path of a weights file, got {weights_path!r:.80}'
        raise WeightsError(msg)
    if not isinstance(metadata, WeightsMetadata):
        msg = (
            f'metadata must be a WeightsMetadata, got {metadata!r:.80}; '
            'network.metadata.read_metadata reads it'
        )
        raise WeightsError(msg)


def _chosen(settings: Settings) -> str:
    if settings.engine != 'auto':
        return settings.engine
    if settings.device == 'auto':
        return 'torch' if has_cuda() else 'openvino'
    return 'torch' if settings.device.startswith('cuda') else 'openvino'
