"""What `make performance` makes of its figures."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import performance_page
import pytest
from node_client import Received
from node_figures import evenness, quantiles, rate
from performance_page import (
    FIGURES,
    PAGE,
    SHOWN,
    commands,
    kind_of,
    measure_all,
    ratios,
    read_figures,
    shown,
    tables_of,
    with_blocks,
    write_page,
)
from performance_tables import blocks, processors

NAMES = ('node', 'peers', 'engines', 'growth', 'robot', 'processors')
PART = {'day': '2026-11-28', 'busy': 0.32, 'command': 'drnet bench'}


def row(
    network: str, size: str, *rates: float, engine: str = 'openvino', precision: str = 'bf16'
) -> dict[str, Any]:
    return {
        'network': network, 'size': size, 'fps_runs': list(rates), 'latency_ms_p50': 12.5,
        'engine': engine, 'precision': precision,
    }  # fmt: skip


FIGURES_OF_ALL: dict[str, Any] = {
    'node': {
        **PART,
        'default': {
            'fps': {'median': 52.04, 'min': 50.0, 'max': 54.0},
            'share_of_bare': {'median': 0.651, 'min': 0.6, 'max': 0.7},
            'cores': {'median': 1.9, 'min': 1.8, 'max': 2.0},
            'latency_ms': {'p50': 21.0, 'p95': 29.5},
            'mean_jitter_ms': 1.25, 'max_jitter_ms': 9.0,
            'missed_frames': 2, 'sent_frames': 600, 'rss_mb': 325,
        },
        'threads': {'1': {'fps': {'median': 38.6, 'min': 37.8, 'max': 39.5},
                          'cpu_ms': {'median': 33.0, 'min': 32.0, 'max': 34.0},
                          'p50': {'median': 49.8, 'min': 49.0, 'max': 50.0},
                          'p95': {'median': 64.3, 'min': 60.0, 'max': 65.0}}},
        'growth': {'fps_total': {'1': {'median': 52.0, 'min': 50.0, 'max': 54.0},
                                 '4': {'median': 51.0, 'min': 50.5, 'max': 53.0}}},
        'start': {'first_depth_s': {'median': 0.6, 'min': 0.55, 'max': 0.7}},
    },
    'peers': {**PART, 'results': [
        row('drnet', '288x384', 60.0, 40.0, 50.0), row('drnet', '518x686', 20.0, 20.0, 20.0),
        row('depth_anything_v2_small', '288x384', 4.0, 4.0, 4.0),
        row('depth_anything_v2_small', '518x686', 1.5, 2.0, 2.0),
    ]},
    'rside': {**PART, 'results': [
        row('drnet', '288x384', 8.0), row('drnet', '228x304', 12.0),
        row('rside', '288x384', 0.25), row('rside', '228x304', 0.4),
    ]},
    'pixels': {**PART, 'busy': 0.02, 'results': [row('drnet', '192x256', 90.0)]},
    'engines': {**PART, 'results': [
        row('drnet', '288x384', 80.0, 60.0),
        row('drnet', '288x384', 30.0, 40.0, engine='onnxruntime', precision='fp32'),
        row('drnet', '288x384', 40.0, 40.0, precision='fp32'),
        row('drnet', '288x384', 10.0, 10.0, engine='onnxruntime', precision='fp32'),
    ]},
    'guided': {**PART, 'results': [row('drnet', '288x384', 40.0), row('drnet', '288x384', 50.0)]},
    'sources': {
        **PART, 'median_ms': {'the network': 22.0, 'the filter over time': 0.125},
        'in_a_row_ms': {'the filter over time': 0.0625},
    },
    'robot': {**PART, 'sources': {'rate_hz': 30.0, 'of': {
        'image alone': {
            'fps': {'median': 40.0, 'min': 39.0, 'max': 41.0},
            'ratio': {'median': 1.0, 'min': 1.0, 'max': 1.0},
            'latency_ms': {'p50': 25.0, 'p95': 31.5},
            'missed_frames': 0, 'sent_frames': 600, 'points': 0,
        },
        'scan': {
            'fps': {'median': 38.0, 'min': 37.5, 'max': 38.5},
            'ratio': {'median': 0.954, 'min': 0.93, 'max': 0.96},
            'latency_ms': {'p50': 27.0, 'p95': 33.0},
            'missed_frames': 1, 'sent_frames': 600, 'points': 116,
        },
    }}},
}  # fmt: skip


def test_ratios_are_of_turns_that_follow_each_other() -> None:
    assert ratios(FIGURES_OF_ALL)['defaults'] == {'median': 25.0, 'min': 20.0, 'max': 40.0}
    assert ratios(FIGURES_OF_ALL)['pixels'] == {'median': 12.5, 'min': 10.0, 'max': 15.0}
    assert ratios(FIGURES_OF_ALL)['rside_defaults']['median'] == 20.0
    assert ratios(FIGURES_OF_ALL)['rside_pixels']['median'] == 32.0


def test_tables_have_the_figures_and_say_how_the_machine_was() -> None:
    tables = blocks(FIGURES_OF_ALL, ratios(FIGURES_OF_ALL))
    assert '| frames/s, as many images as the node takes | 52.0 (50.0 to 54.0) |' in tables['node']
    assert '| latency p50 / p95, camera of 30 Hz | 21.0 / 29.5 ms |' in tables['node']
    assert '| missed frames | 2 of 600 |' in tables['node']
    assert '| jitter, mean / greatest | 1.25 / 9.0 ms |' in tables['node']
    assert 'Measured on 2026-11-28 on a loaded machine (others took 32% of it)' in tables['node']
    peer = '| Depth Anything V2 Small | 0.073 (published) | 0.961 (published) | '
    assert f'{peer}25.0 (20.0 to 40.0) | 12.5 (10.0 to 15.0) |' in tables['peers']
    assert '| share of the frames/s of the network alone | 0.65 (0.60' in tables['node']
    assert '| `openvino`, bf16 | 12.5 | 1.00 (1.00 to 1.00) |' in tables['engines']
    assert '| `onnxruntime`, fp32 | 12.5 | 2.08 (1.50 to 2.67) |' in tables['engines']
    assert tables['engines'].count('onnxruntime') == 1
    assert '| guided filter, against the same without it | 12.5 | 1.25 ' in tables['engines']
    threads = '| 1 | 38.6 (37.8 to 39.5) | 33.0 (32.0 to 34.0) | 50 ms | 64 ms |'
    assert threads in tables['engines']
    assert '| network of 192x256 | 12.5 ms per image |' in tables['growth']
    assert '| 4 cameras | 51.0 (50.5 to 53.0) frames/s in all |' in tables['growth']
    assert 'on a quiet machine (others took 2% of it)' in tables['growth']
    assert '| the network | 22.00 ms of CPU time |' in tables['growth']
    assert '| the filter over time | 0.12 ms of CPU time; 0.06 ms in a row |' in tables['growth']
    assert 'latency p50 / p95, camera of 30 Hz' in tables['robot']
    alone = '| image alone | 40.0 (39.0 to 41.0) |  | 25.0 / 31.5 ms | 0 of 600 |'
    assert alone in tables['robot']
    scan = '| scan | 38.0 (37.5 to 38.5) | 0.95 (0.93 to 0.96) | 27.0 / 33.0 ms | 1 of 600 |'
    assert scan in tables['robot']


def test_tables_go_between_their_marks_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / 'page.md'
    marks = ''.join(f'# {name}\n<!-- {name} -->\nold\n<!-- end -->\ntext\n' for name in NAMES)
    page.write_text(marks)
    write_page({SHOWN: FIGURES_OF_ALL}, page, tmp_path)
    text = page.read_text()
    assert 'old' not in text
    assert text.startswith('# node\n<!-- node -->\n| what | measured |\n')
    assert text.count('<!-- end -->\ntext\n') == len(NAMES)
    assert (tmp_path / 'cost.png').read_bytes().startswith(b'\x89PNG')
    write_page({SHOWN: FIGURES_OF_ALL}, page, tmp_path)
    assert page.read_text() == text
    with pytest.raises(ValueError, match='must have <!-- node --> and <!-- end -->'):
        with_blocks('nothing', {'node': 'table\n'})


def test_the_page_is_as_its_figures_make_it() -> None:
    text = PAGE.read_text('utf-8')
    figures_of = read_figures(FIGURES)
    assert next(iter(figures_of)) == SHOWN
    assert with_blocks(text, tables_of(figures_of)) == text
    for name in NAMES:
        assert with_blocks(text, {name: 'table\n'}) != text


def test_each_kind_of_processor_has_a_column() -> None:
    slow = {'node': FIGURES_OF_ALL['node'] | {'default': FIGURES_OF_ALL['node']['default'] | {
        'fps': {'median': 16.04, 'min': 15.0, 'max': 17.0}}}}  # fmt: skip
    every = {SHOWN: FIGURES_OF_ALL, 'avx2': slow}
    table = processors({kind: (figures, ratios(figures)) for kind, figures in every.items()})
    lines = table.splitlines()
    assert lines[:2] == [
        '| two cores of | a processor, AMX-BF16 | a processor, AVX2 |',
        '|---|---:|---:|',
    ]
    assert '| frames/s of the node | 52.0 (50.0 to 54.0) | 16.0 (15.0 to 17.0) |' in lines
    assert '| `onnxruntime`, fp32 | 12.5 ms |  |' in lines
    assert '| guided filter, against the same without it | 1.25 (1.25 to 1.25) |  |' in lines
    assert (
        '| faster than Depth Anything V2 Small, each at its default | 25.0 (20.0 to 40.0) |  |'
        in lines
    )
    assert '| frames/s with scan, of those without | 0.95 (0.93 to 0.96) |  |' in lines
    assert not [line for line in lines if 'image alone' in line]


@pytest.mark.parametrize(
    ('arithmetic', 'kind'),
    [
        (['avx2', 'avx512f', 'avx512_bf16', 'amx_bf16'], SHOWN),
        (['avx2', 'avx512f', 'avx512_vnni', 'avx512_bf16'], 'avx512_bf16'),
        (['avx2'], 'avx2'),
        ([], 'other'),
    ],
)
def test_the_kind_of_a_processor_is_its_best_extension(
    arithmetic: list[str], kind: str, tmp_path: Path
) -> None:
    assert kind_of(arithmetic) == kind
    for name in {kind, SHOWN, 'unknown'}:
        (tmp_path / f'{name}.json').write_text(json.dumps({'name': name}))
    found = read_figures(tmp_path)
    assert list(found) == list(dict.fromkeys([SHOWN, kind]))
    assert found[kind] == {'name': kind}


def test_commands_are_shown_as_a_user_types_them() -> None:
    command = commands(is_quick=False)['node']
    expected = 'python offline/benchmarks/node_benchmark.py --rounds 5 --seconds 4 --json'
    assert shown(command).startswith(expected)
    assert shown(commands(is_quick=False)['peers']).startswith('drnet bench --no-memory')


def test_rates_waits_and_evenness_by_hand() -> None:
    sent = [0.0, 0.1, 0.2, 0.3]
    arrived = [0.02, 0.12, 0.25, 0.33]
    frames = [Received(a, b) for a, b in zip(sent, arrived, strict=True)]
    assert rate(frames) == pytest.approx(3 / 0.31)
    assert quantiles(frames) == {'p50': 25.0, 'p95': 47.0}
    # Intervals of 100, 130 and 80 ms between results of images each 100 ms.
    figures = evenness([frames, frames[:1]], sent=7)
    assert figures['mean_jitter_ms'] == pytest.approx(16.67)
    assert figures['max_jitter_ms'] == 30.0
    assert (figures['missed_frames'], figures['sent_frames']) == (2, 7)


def test_a_part_that_fails_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(command: list[str]) -> dict[str, Any]:
        if command == ['fails']:
            raise subprocess.CalledProcessError(3, command)
        return {'command': command}

    monkeypatch.setattr(performance_page, 'measure', measure)
    path = tmp_path / 'figures' / 'avx2.json'
    chosen = {'node': ['first'], 'peers': ['fails'], 'rside': ['last']}
    assert measure_all(chosen, path) == ['peers']
    assert capsys.readouterr().err == 'peers failed with exit code 3\n'
    assert list(json.loads(path.read_text())) == ['node', 'rside']
    assert measure_all({'peers': ['again']}, path) == []
    assert json.loads(path.read_text())['node'] == {'command': ['first']}
    assert json.loads(path.read_text())['peers'] == {'command': ['again']}
