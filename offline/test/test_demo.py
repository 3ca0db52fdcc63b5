"""`make demo` whole: two processes over real DDS on the bundled clip, and what it writes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from plyfile import PlyData
from ros_domain import claim_domain

pytest.importorskip('rclpy', reason='the demo needs ROS 2')

DEMO = Path(__file__).resolve().parents[1] / 'demo' / 'run_demo.py'
FRAMES_IN_CLIP = 64
ROOM_DEPTH_M = 5.0


@pytest.fixture(autouse=True)
def _own_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A domain that no other test, and no other run on this machine, is in."""
    monkeypatch.setenv('ROS_DOMAIN_ID', '')  # so that it is as before after the test
    claim_domain()


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DEMO), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)


def test_demo_on_the_bundled_clip(tmp_path: Path) -> None:
    result = _run('--output', str(tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr
    summary = json.loads((tmp_path / 'summary.json').read_text())
    assert summary['frames_published'] == FRAMES_IN_CLIP
    counted = sum(summary[f'frames_{name}'] for name in ('out', 'dropped', 'failed'))
    assert counted == summary['frames_in'] <= FRAMES_IN_CLIP
    assert summary['frames_failed'] == 0
    # A busy machine may drop frames of the 20 Hz, and lose some: the node tells of each it drops.
    assert summary['frames_out'] > 0
    assert 0 < summary['latency_ms_p50'] <= summary['latency_ms_p95']
    assert summary['fps'] > 0
    assert summary['engine'] == 'openvino'
    # The best constant depth scores 1.006 m and 0.465 on this clip.
    assert summary['rmse'] < 0.8
    assert summary['delta1'] > 0.6
    sheet = cv2.imread(str(tmp_path / 'sheet.jpg'))
    assert sheet is not None
    assert min(sheet.shape[:2]) > 500
    vertices = PlyData.read(str(tmp_path / 'cloud.ply'))['vertex']
    assert len(vertices) > 100_000
    assert 0.5 * ROOM_DEPTH_M < np.percentile(vertices['z'], 99) < 2 * ROOM_DEPTH_M


def test_recording_that_is_none_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    result = _run('--bag', str(tmp_path / 'missing'), '--output', str(tmp_path))
    assert result.returncode == 1
    assert result.stdout.startswith('error: a recording must exist')
    assert 'Traceback' not in result.stdout + result.stderr


def test_a_signal_ends_demo_and_children(tmp_path: Path) -> None:
    command = [sys.executable, str(DEMO), '--output', str(tmp_path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if 'node       active' in line:
            process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130, lines
    assert 'Traceback' not in ''.join(lines)
    assert lines[-1].strip() == 'stopped'
    assert not (tmp_path / 'summary.json').exists()
    # The pipe is at its end: no child holds it any more.
