"""The sizes in the docs are those of the messages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from message_sizes import mean_sizes

DOCS = Path(__file__).parents[3] / 'docs'


@pytest.mark.slow
def test_sizes_in_the_docs_are_measured() -> None:
    found = mean_sizes()
    robot = (DOCS / 'robot.md').read_text()
    for name, size in found.items():
        row = re.search(rf'^\| {re.escape(name)} \| (\d+) \| ([\d.]+) \|$', robot, re.MULTILINE)
        assert row, name
        assert float(row[1]) == pytest.approx(size / 1e3, rel=0.05), name
        assert float(row[2]) == pytest.approx(size / 1e5, rel=0.05), name
    topics = (DOCS / 'topics.md').read_text()
    for topic in ('depth/image_rect/compressedDepth', 'depth/preview/compressed'):
        (row,) = re.findall(rf'^\| `{topic}` .*$', topics, re.MULTILINE)
        documented = [int(size) for size in re.findall(r'~(\d+) kB', row)]
        measured = [size / 1e3 for name, size in found.items() if name.startswith(f'`{topic}`')]
        assert documented == pytest.approx(measured, rel=0.05), topic
