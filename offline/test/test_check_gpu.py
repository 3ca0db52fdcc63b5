"""What can be said of `make check-gpu` without a GPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import check_gpu
import pytest
from check_gpu import Result, Step, report, run

from drnet_ros.inference.engines.devices import has_cuda

ROW = {
    'backbone': 'resnet50', 'guided_filter': False, 'precision': 'bf16', 'batch': 1, 'fps': 200.0,
    'latency_ms_p50': 4.9, 'latency_ms_p95': 5.25, 'gpu_mb': 611.4,
}  # fmt: skip


@pytest.mark.skipif(has_cuda(), reason='there is a GPU, and measuring takes minutes')
def test_without_a_gpu_one_line_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, check_gpu.__file__, '--output', tmp_path / 'out'],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ''
    assert done.stderr == f'{check_gpu.NO_GPU}\n'
    assert not (tmp_path / 'out').exists()


def test_a_step_has_its_outcome_its_last_line_and_its_figures() -> None:
    script = 'import sys; open(sys.argv[1], "w").write("{\\"a\\": 1}"); print("a"); print("b")'
    passed = run(Step('works', (sys.executable, '-c', script, '{json}'), 60), 60)
    assert (passed.outcome, passed.said, passed.figures) == ('passed', 'b', {'a': 1})
    failed = run(Step('fails', (sys.executable, '-c', 'raise SystemExit("no")'), 60), 60)
    assert (failed.outcome, failed.said, failed.figures) == ('failed', 'no', {})
    sleep = (sys.executable, '-c', 'import time; time.sleep(60)')
    assert run(Step('sleeps', sleep, 0.2), 60).outcome == 'no time'
    assert run(Step('is late', sleep, 60), 0).outcome == 'no time'


def test_every_backbone_is_measured_without_and_with_the_filter() -> None:
    names = [step.name for step in check_gpu.steps('cuda:1') if step.name.startswith('bench')]
    assert len(names) == len(set(names)) == 14
    assert 'bench senet154 --guided-filter' in names
    assert all('cuda:1' in ' '.join(step.command) for step in check_gpu.steps('cuda:1')
               if step.name.startswith('bench') or step.name == 'node')  # fmt: skip


def test_the_report_has_every_check_and_a_row_of_table_iii() -> None:
    ratio = {'of': 'DRNet resnet50', 'over': 'RSIDE resnet50', 'ratio': 12.34}
    best = {**ROW, 'batch': 8, 'fps': 400.0}
    guided = {**ROW, 'guided_filter': True, 'fps': 150.0}
    node = {
        'fps': {'median': 97.25}, 'cores': {'median': 0.5}, 'latency_ms': {'p50': 6.0, 'p95': 7.5},
        'missed_frames': 1, 'sent_frames': 180,
    }  # fmt: skip
    text = report(
        'NVIDIA Orin',
        [
            Result('tests of the GPU', 'failed', 31.2, '1 failed, 20 passed'),
            Result('node', 'passed', 20.0, '', {'default': node}),
            Result('resnet50 against rside', 'passed', 9.0, '', {'ratios': [ratio]}),
            Result('bench resnet50', 'passed', 12.0, '', {'results': [ROW, best]}),
            Result('bench resnet50 --guided-filter', 'passed', 12.0, '', {'results': [guided]}),
            Result('bench senet154', 'no time'),
        ],
    )
    lines = text.splitlines()
    assert lines[0] == '# NVIDIA Orin'
    assert '| tests of the GPU | failed | 31 | 1 failed, 20 passed |' in lines
    assert '| bench senet154 | no time | 0 |  |' in lines
    assert '| missed frames | 1 of 180 |' in lines
    assert '| DRNet resnet50 | RSIDE resnet50 | 12.3 |' in lines
    row = '| resnet50 | bf16 | 200.0 | 4.9 / 5.2 | 400.0 (8) | 611 | 36, 69 (36) |'
    assert row in lines
    assert lines[-1] == (
        '| resnet50 + guided filter | bf16 | 150.0 | 4.9 / 5.2 | 150.0 (1) | 611 |  |'
    )
