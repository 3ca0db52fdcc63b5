"""docs/reliability.md names tests: each one exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMED = re.compile(r'`([a-z_/]+\.py)(?:::(\w+))?`')


def test_every_test_named_in_the_reliability_table_exists() -> None:
    text = (ROOT / 'docs' / 'reliability.md').read_text(encoding='utf-8')
    named = NAMED.findall(text)
    assert len(named) > 50
    missing = []
    for file, function in named:
        path = ROOT / file if file.startswith('offline/') else ROOT / 'test' / file
        if not path.is_file() or (function and f'\ndef {function}(' not in path.read_text()):
            missing.append(f'{file}::{function}')
    assert missing == []


def test_every_row_of_the_tables_names_a_test() -> None:
    text = (ROOT / 'docs' / 'reliability.md').read_text(encoding='utf-8')
    promises = text.partition('## Measured')[0]
    rows = [line for line in promises.splitlines() if line.startswith('| ')]
    headings = ('| promise |', '| level |', '| kind |')
    assert [row for row in rows if not row.startswith(headings) and not NAMED.search(row)] == []


def test_each_of_the_sixteen_kinds_of_faults_names_a_test() -> None:
    text = (ROOT / 'docs' / 'reliability.md').read_text(encoding='utf-8')
    section = text.partition('## Kinds of faults')[2].partition('\n## ')[0]
    rows = re.findall(r'^\| (\d+)\. (.+)$', section, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 17))
    assert [
        row for row in rows if not any(function for _, function in NAMED.findall(row[1]))
    ] == []
