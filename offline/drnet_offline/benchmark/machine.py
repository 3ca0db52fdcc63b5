"""What the figures were measured on."""

from __future__ import annotations

import platform
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from drnet_ros.inference.engines.devices import has_cuda, usable_cores, usable_gpu

__all__ = ['Machine', 'look_at_machine']

_LIBRARIES = ('openvino', 'torch', 'numpy')
_FAST_ARITHMETIC = ('avx2', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'amx_bf16', 'amx_int8')
_QUIET = 0.1
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine and what runs on it.

    Attributes:
        cpu: Name of the processor.
        cores: Cores that this process may use.
        arithmetic: The processor's extensions that networks profit from.
        memory_mb: Memory of the machine, MB.
        gpu: Name of the GPU, '' without one.
        busy: Share of the processor's time that others took just before the measurement, 0..1.
        versions: Of Python and the libraries.
    """

    cpu: str
    cores: int
    arithmetic: tuple[str, ...]
    memory_mb: int
    gpu: str
    busy: float
    versions: dict[str, str]

    @property
    def is_busy(self) -> bool:
        """Whether others were computing, too, so that figures are not to be trusted."""
        return self.busy > _QUIET

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def describe(self) -> str:
        """Return it in one line."""
        extensions = f' ({", ".join(self.arithmetic)})' if self.arithmetic else ''
        gpu = f', {self.gpu}' if self.gpu else ', no GPU'
        libraries = ', '.join(f'{name} {number}' for name, number in self.versions.items())
        return f'{self.cpu}{extensions}, {self.cores} cores{gpu}; {libraries}'


def look_at_machine() -> Machine:
    """Return what this process runs on, now."""
    cpu = _field('/proc/cpuinfo', 'model name') or platform.processor() or platform.machine()
    flags = set(_field('/proc/cpuinfo', 'flags').split())
    memory = _field('/proc/meminfo', 'MemTotal').split()
    gpu = ''
    if has_cuda():
        import torch  # noqa: PLC0415 - slow to import, and of no use without a GPU

        gpu = torch.cuda.get_device_name(usable_gpu())
    return Machine(
        cpu=cpu,
        cores=usable_cores(),
        arithmetic=tuple(name for name in _FAST_ARITHMETIC if name in flags),
        memory_mb=int(memory[0]) // 1024 if memory else 0,
        gpu=gpu,
        busy=_share_taken(),
        versions={'python': platform.python_version(), **_versions()},
    )


def _share_taken() -> float:
    """Look on for a moment, and return the share of the processor's time that was taken."""
    before = _times()
    time.sleep(_LOOK_S)
    idle, total = (after - start for start, after in zip(before, _times(), strict=True))
    return 1 - idle / total if total > 0 else 0.0


def _times() -> tuple[float, float]:
    """Return idle and total time of all cores, in ticks; zeros where that is not known."""
    try:
        ticks = Path('/proc/stat').read_text(encoding='ascii').splitlines()[0].split()[1:]
    except OSError:
        return 0.0, 0.0
    return float(ticks[3]) + float(ticks[4]), float(sum(map(int, ticks[:8])))


def _versions() -> dict[str, str]:
    """Return the versions of the libraries that are installed."""
    found = {}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _field(path: str, name: str) -> str:
    """Return the value of the first 'name : value' line of a file in /proc, '' without one."""
    try:
        lines = Path(path).read_text(encoding='utf-8').splitlines()
    except OSError:
        return ''
    found = (line.partition(':')[2].strip() for line in lines if line.startswith(name))
    return next(found, '')
