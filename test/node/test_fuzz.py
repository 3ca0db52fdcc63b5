"""Hostile messages to the live node: it neither ends, hangs nor grows, and counts every one."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz_node import fuzz, start_node_program
from node_graph import Graph
from shared_memory import end_program

pytestmark = pytest.mark.slow

MESSAGES = 1000
RATE_HZ = 100.0
GROWTH_LIMIT_MB = 30.0  # allocators keep some; 3 MB were measured
LOG_LINES = 80


@pytest.mark.timeout(1200)  # it sends more slowly where the node looks at less
@pytest.mark.parametrize('transport', ['raw', 'compressed'])
def test_hostile_messages_are_each_counted_and_leave_the_node_as_it_was(
    graph: Graph, tmp_path: Path, transport: str
) -> None:
    log = tmp_path / 'log'
    process = start_node_program(log, f'image_transport:={transport}')
    try:
        result = fuzz(
            graph, process, log, transport=transport, messages=MESSAGES, seed=2026, rate_hz=RATE_HZ
        )
    finally:
        exit_code = end_program(process)
    assert exit_code == 0, log.read_text()
    assert (result.unaccounted, result.unaccounted_infos) == (0, 0), result
    # On a busy machine most are replaced by newer ones before they are looked at.
    assert result.counts['frames_failed'] > MESSAGES // 5
    assert result.counts['frames_out'] > 0
    assert result.after.memory_mb < result.before.memory_mb + GROWTH_LIMIT_MB, result
    assert result.after.threads <= result.before.threads + 1, result
    assert result.after.handles <= result.before.handles + 1, result
    assert result.log_lines < LOG_LINES, log.read_text()
    assert 'Traceback' not in log.read_text()
