"""What NVML says, read through a library of the same interface built here: CI has no GPU."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from drnet_ros.node.gpu_health import GpuMonitor, GpuState, open_monitor

SOURCE = r"""
#include <string.h>
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
    *handle = (void *)0x7ff000000042;
    return strcmp(uuid, "GPU-known") ? 6 : 0;
}
static int known(void *handle) { return handle == (void *)0x7ff000000042 ? LOST : 2; }
int nvmlDeviceGetTemperature(void *d, int sensor, unsigned *t) {
    *t = 91; return sensor ? 2 : known(d);
}
int nvmlDeviceGetTemperatureThreshold(void *d, int kind, unsigned *t) {
    *t = 90; return kind == 1 ? known(d) : 2;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(void *d, unsigned long long *r) {
    *r = 0x40; return known(d);
}
int nvmlDeviceGetMemoryInfo(void *d, unsigned long long *m) {
    m[0] = 8ULL << 30; m[1] = 100ULL << 20; m[2] = m[0] - m[1]; return known(d);
}
"""


@pytest.fixture(params=[0, 15], ids=['well', 'lost'])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, bool]:
    compiler = shutil.which('cc')
    if compiler is None:
        pytest.skip('no C compiler')
    (tmp_path / 'nvml.c').write_text(SOURCE)
    path = str(tmp_path / 'libnvml.so')
    command = [compiler, '-shared', '-fPIC', f'-DLOST={request.param}', '-o', path, 'nvml.c']
    subprocess.run(command, cwd=tmp_path, check=True)
    return path, request.param == 15


def test_state_is_what_the_driver_says(library: tuple[str, bool]) -> None:
    path, is_lost = library
    state = GpuMonitor('GPU-known', path).read()
    if is_lost:
        assert (state.is_lost, state.free_mb, state.is_slowed_by_heat) == (True, None, False)
    else:
        assert state == GpuState(91, 90, 100, 8192, is_slowed_by_heat=True)


def test_unknown_gpu_is_an_error_that_names_it(library: tuple[str, bool]) -> None:
    with pytest.raises(OSError, match='NVML must know GPU GPU-other, got its error 6'):
        GpuMonitor('GPU-other', library[0])


def test_a_cpu_has_no_monitor() -> None:
    assert open_monitor('cpu') is None
