"""Temperature and memory of an NVIDIA GPU, asked of its driver's own library, NVML."""

from __future__ import annotations

import ctypes
import logging
from dataclasses import dataclass
from typing import Any

__all__ = ['GpuMonitor', 'GpuState', 'open_monitor']

_LOG = logging.getLogger(__name__)
_LIBRARY = 'libnvidia-ml.so.1'
_GPU_IS_LOST = 15
_SENSOR_GPU = 0
_THRESHOLD_SLOWDOWN = 1
# Bits of the reasons for a lowered clock: software thermal, hardware thermal.
_SLOWED_BY_HEAT = 0x20 | 0x40
_MEGABYTE = 2**20


@dataclass(frozen=True, slots=True)
class GpuState:
    """A GPU at one moment; None is what its driver does not tell.

    Attributes:
        temperature_c: Temperature of the chip in degrees Celsius.
        slowdown_c: The one from which it slows itself down.
        free_mb: Free memory in MiB, counting all processes.
        total_mb: All of its memory in MiB.
        is_slowed_by_heat: Whether it runs slower now because it is hot.
        is_lost: Whether it has fallen off the bus or hangs.
    """

    temperature_c: int | None = None
    slowdown_c: int | None = None
    free_mb: int | None = None
    total_mb: int | None = None
    is_slowed_by_heat: bool = False
    is_lost: bool = False


class _Memory(ctypes.Structure):
    _fields_ = (
        ('total', ctypes.c_ulonglong),
        ('free', ctypes.c_ulonglong),
        ('used', ctypes.c_ulonglong),
    )


class GpuMonitor:
    """Asks about one GPU. A question takes about a millisecond and needs no CUDA context."""

    def __init__(self, uuid: str, library: str = _LIBRARY) -> None:
        """Find the GPU.

        Args:
            uuid: Its identity, such as 'GPU-0a1b...': numbers differ between CUDA and NVML.
            library: File name of NVML.

        Raises:
            OSError: If there is no such library, or it does not know the GPU.
        """
        self._nvml: Any = ctypes.CDLL(library)
        self._handle = ctypes.c_void_p()
        for code in (
            self._nvml.nvmlInit_v2(),
            self._nvml.nvmlDeviceGetHandleByUUID(uuid.encode(), ctypes.byref(self._handle)),
        ):
            if code:
                msg = f'NVML must know GPU {uuid}, got its error {code}'
                raise OSError(msg)

    def read(self) -> GpuState:
        """Return how it is now."""
        temperature, slowdown = ctypes.c_uint(), ctypes.c_uint()
        reasons, memory = ctypes.c_ulonglong(), _Memory()
        nvml, handle = self._nvml, self._handle
        codes = (
            nvml.nvmlDeviceGetTemperature(handle, _SENSOR_GPU, ctypes.byref(temperature)),
            nvml.nvmlDeviceGetTemperatureThreshold(
                handle, _THRESHOLD_SLOWDOWN, ctypes.byref(slowdown)
            ),
            nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle, ctypes.byref(reasons)),
            nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)),
        )
        return GpuState(
            temperature_c=None if codes[0] else temperature.value,
            slowdown_c=None if codes[1] else slowdown.value,
            free_mb=None if codes[3] else memory.free // _MEGABYTE,
            total_mb=None if codes[3] else memory.total // _MEGABYTE,
            is_slowed_by_heat=not codes[2] and bool(reasons.value & _SLOWED_BY_HEAT),
            is_lost=_GPU_IS_LOST in codes,
        )


def open_monitor(device: str) -> GpuMonitor | None:
    """Return a monitor of the device that an engine runs on.

    Args:
        device: The device in words, such as 'cuda:0'.

    Returns:
        The monitor, or None for a CPU and where the driver has no NVML, as on some Jetsons.
    """
    kind, _, index = device.partition(':')
    if kind != 'cuda':
        return None
    import torch  # noqa: PLC0415 - the engine has imported it already

    try:
        properties = torch.cuda.get_device_properties(int(index or 0))
        return GpuMonitor(f'GPU-{properties.uuid}')
    except (OSError, AttributeError, RuntimeError, AssertionError) as error:
        _LOG.info('diagnostics cannot show temperature and memory of %s: %s', device, error)
        return None
