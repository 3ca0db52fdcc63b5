"""`drnet bench`: turns, figures that agree with each other, and exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from command_line import exit_code
from safetensors.numpy import load_file

from drnet_offline.benchmark.case import BenchmarkCase, Work
from drnet_offline.benchmark.choosing import Choice, choose_groups, parse_size
from drnet_offline.benchmark.counting import Count
from drnet_offline.benchmark.measurement import Measured, Memory, compare, interleave
from drnet_offline.benchmark.memory import forget_peak_mb, peak_mb, resident_mb
from drnet_offline.benchmark.paper import paper_row
from drnet_offline.benchmark.plots import write_plot
from drnet_offline.benchmark.session import Outcome
from drnet_offline.benchmark.worker_process import Built, Run, WorkerProcess
from drnet_offline.errors import OfflineError
from drnet_ros.network.config import BACKBONE_NAMES
from drnet_ros.weights import resolve_weights

pytestmark = pytest.mark.slow

TINY = (64, 64)


class Recorder:
    """Writes down its turns."""

    def __init__(self, name: str, turns: list[tuple[str, int]], ms: list[float]) -> None:
        self._name, self._turns, self._ms = name, turns, ms

    def time(self, *, batch: int, seconds: float) -> Run:
        assert seconds == 0.5
        self._turns.append((self._name, batch))
        return Run(batch, (self._ms.pop(0),), 100.0)


def measured(*runs: Run, work: Work | None = None) -> Measured:
    """A case with these runs."""
    built = Built('openvino', 'cpu', 'bf16', '480x640', 50.0, 120.0, 130.0)
    case = BenchmarkCase(work or Work(), (480, 640))
    return Measured(case, built, Count(5, 7), Memory(60.0, 20.0), runs)


def test_subjects_take_turns_and_ratios_are_of_neighbours() -> None:
    turns: list[tuple[str, int]] = []
    a, b = Recorder('a', turns, [10.0, 20.0, 10.0]), Recorder('b', turns, [40.0, 100.0, 30.0])
    runs_a, runs_b = interleave([a, b], runs=3, batch=2, seconds=0.5)
    assert turns == [('a', 2), ('b', 2)] * 3
    ratio = compare(measured(*runs_a), measured(*runs_b))
    assert ratio.values == pytest.approx((4.0, 5.0, 3.0))
    record = ratio.to_dict()
    assert (record['ratio'], record['ratio_min'], record['ratio_max']) == pytest.approx((4, 3, 5))
    assert record['ratio_of_best'] == pytest.approx(200 / (2000 / 30))
    assert record['of'] == 'DRNet efficientnet_lite0, openvino bf16'


def test_figures_by_hand() -> None:
    row = measured(Run(4, (10.0, 30.0), 200.0), Run(4, (40.0,), 210.0), Run(4, (80.0,), 190.0))
    record = row.to_dict()
    # 8 images in 40 ms, 4 in 40 ms, 4 in 80 ms.
    assert record['fps_runs'] == pytest.approx([200.0, 100.0, 50.0])
    assert (record['fps'], record['fps_min'], record['fps_max']) == pytest.approx((100, 50, 200))
    assert record['latency_ms_p50'] == pytest.approx(35.0)
    assert record['latency_ms_p95'] == pytest.approx(40 + 0.85 * 40)
    assert record['passes'] == 4
    assert record['rss_mb'] == 210.0
    assert (record['net_mb'], record['image_mb']) == (60.0, 20.0)


def test_memory_is_of_this_process() -> None:
    before = forget_peak_mb()
    block = bytearray(64 << 20)
    block[::4096] = b'x' * len(block[::4096])
    assert resident_mb() - before > 60
    del block
    assert resident_mb() - before < 30
    assert peak_mb() - before > 60


def test_the_papers_rows() -> None:
    row = paper_row(Work(backbone='resnet50'))
    assert row is not None
    assert (row.fps, row.best_fps, row.best_batch) == (36, 69, 36)
    assert paper_row(Work(backbone='resnet50', guided_filter=True)) is None
    assert paper_row(Work(backbone='efficientnet_lite0')) is None


def works_of(**choice: Any) -> list[list[Work]]:
    groups = choose_groups(Choice(**choice), cores=2)
    return [[case.work for case in group] for group in groups]


def test_what_is_chosen() -> None:
    ((embedded,),) = works_of(device='cpu')
    assert (embedded.weights, embedded.engine, embedded.threads) == ('embedded', 'openvino', 2)
    every = works_of(every_backbone=True, device='cpu')
    chosen = [(work.backbone, work.guided_filter) for (work,) in every]
    assert chosen == [(name, guided) for name in BACKBONE_NAMES for guided in (False, True)]
    assert {work.weights for (work,) in every} == {'random'}
    ((guided,),) = works_of(guided_filter=True)
    assert (guided.weights, guided.guided_filter) == ('random', True)
    assert guided.correction_kernel == embedded.correction_kernel


def test_who_is_compared() -> None:
    engines = ('torch', 'openvino')
    choice = {'backbones': ('resnet50',), 'device': 'cpu', 'precisions': ('fp32',)}
    ((first, eager, same),) = works_of(**choice, versus=('rside',), versus_engines=engines)
    assert (first.network, first.engine) == ('drnet', 'openvino')
    assert (eager.network, eager.backbone, eager.engine) == ('rside', 'resnet50', 'torch')
    assert (same.engine, same.precision) == ('openvino', 'fp32')
    groups = choose_groups(
        Choice(versus=('drnet',), versus_engines=('torch',), sizes=('64x64', '96x128')), cores=2
    )
    # All sizes in turns, too, so that a busy minute does not bend the curve.
    assert [[case.size_hw for case in group] for group in groups] == [
        [(64, 64)] * 2 + [(96, 128)] * 2
    ]


@pytest.mark.parametrize(
    ('choice', 'said'),
    [
        ({'threads': 3}, 'threads must be at most 2 here, got 3'),
        ({'engines': ('tflite',)}, 'engine must be one of auto, torch, openvino'),
        ({'backbones': ('vgg',)}, "backbone must be one of .*, got 'vgg'"),
        ({'versus': ('midas',)}, "versus must be one of .*, got 'midas'"),
        ({'versus': ('drnet',)}, 'must be compared with something else'),
        ({'versus_engines': ('torch',)}, 'say what to compare with'),
        ({'weights': 'x', 'backbones': ('resnet50',)}, 'either --weights or --backbone'),
        ({'weights': 'x', 'guided_filter': True}, '--weights or --guided-filter'),
        ({'sizes': ('480',)}, "HxW as in 480x640, got '480'"),
        ({'sizes': ('480x9000',)}, 'sides must be 32..8192'),
        ({'sizes': ('8192x8192',)}, "at most 8.4 megapixels, got '8192x8192'"),
    ],
)
def test_contradictions_are_refused(choice: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        choose_groups(Choice(**choice), cores=2)


def test_a_size() -> None:
    assert parse_size('480x640') == (480, 640)


FAST = ('--runs', '2', '--seconds', '0', '--size', '64x64', '--threads', '1', '--device', 'cpu')


@pytest.mark.timeout(400)
def test_the_embedded_network_beside_itself_in_pytorch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv('DRNET_CACHE_DIR', str(tmp_path / 'cache'))
    files = '--json', tmp_path / 'bench.json', '--plot', tmp_path / 'bench.png'
    versus = '--versus', 'drnet', '--versus-engine', 'torch', '--max-batch', '2'
    assert exit_code(monkeypatch, 'bench', *FAST, *files, *versus) == 0
    record = json.loads((tmp_path / 'bench.json').read_text())
    names = 'backbone engine precision size batch fps latency_ms_p50 latency_ms_p95 params rss_mb'
    assert set(names.split()) <= record.keys()
    rows = record['results']
    assert [(row['engine'], row['batch']) for row in rows] == [
        ('openvino', 1),
        ('torch', 1),
        ('openvino', 2),
        ('torch', 2),
    ]
    assert {name: record[name] for name in names.split()} == {
        name: rows[0][name] for name in names.split()
    }
    # The tensors of the file, but for the running statistics of batch normalisation.
    tensors = load_file(resolve_weights('embedded'))
    params = sum(t.size for name, t in tensors.items() if not re.search('running_|num_b', name))
    for row in rows:
        assert row['params'] == params
        assert row['macs'] == rows[0]['macs']
        assert (row['size'], row['network_size'], row['threads']) == ('64x64', '64x64', 1)
        # Two passes: the median rate is the mean of two, the median latency, too.
        assert row['passes'] == 2
        assert row['fps_min'] <= 1000 * row['batch'] / row['latency_ms_p50'] <= row['fps_max']
        assert row['latency_ms_p50'] <= row['latency_ms_p95']
        assert 0 < row['net_mb'] < row['rss_mb']
    assert rows[1]['precision'] == 'fp32'
    assert rows[1]['rss_mb'] > rows[0]['rss_mb'] > 30
    assert [ratio['batch'] for ratio in record['ratios']] == [1, 2]
    for ratio, row, other in zip(record['ratios'], rows[::2], rows[1::2], strict=True):
        by_turn = [a / b for a, b in zip(row['fps_runs'], other['fps_runs'], strict=True)]
        assert (ratio['ratio_min'], ratio['ratio_max']) == (min(by_turn), max(by_turn))
    assert record['machine']['cores'] == len(os.sched_getaffinity(0))
    printed = capsys.readouterr().out
    assert '| DRNet efficientnet_lite2 | openvino ' in printed
    assert 'times as fast' in printed
    assert (tmp_path / 'bench.png').read_bytes().startswith(b'\x89PNG')


@pytest.mark.timeout(400)
def test_rside_runs_on_openvino(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DRNET_CACHE_DIR', str(tmp_path))
    path = tmp_path / 'bench.json'
    options = '--versus', 'rside', '--no-memory', '--json', path
    assert exit_code(monkeypatch, 'bench', *FAST, *options) == 0
    ours, theirs = json.loads(path.read_text())['results']
    assert (ours['network'], theirs['network']) == ('drnet', 'rside')
    assert (theirs['params'], theirs['backbone']) == (67569473, 'resnet50')
    assert (theirs['engine'], theirs['precision']) == (ours['engine'], ours['precision'])
    assert 'net_mb' not in ours


def test_sizes_make_a_curve_and_networks_bars(tmp_path: Path) -> None:
    def row(size: str, ms: float) -> Measured:
        height, width = parse_size(size)
        built = Built('openvino', 'cpu', 'bf16', size, 50.0, 120.0, 130.0)
        runs = Run(1, (ms,), 0.0), Run(1, (1.2 * ms,), 0.0)
        return Measured(BenchmarkCase(Work(), (height, width)), built, Count(5, 7), None, runs)

    curve = Outcome([row('240x320', 5.0), row('480x640', 18.0)])
    write_plot(curve, 'a machine', tmp_path / 'curve.svg')
    bars = Outcome([row('480x640', 18.0), row('480x640', 400.0)])
    write_plot(bars, 'a machine', tmp_path / 'bars.png')
    assert (tmp_path / 'curve.svg').read_text().startswith('<?xml')
    assert (tmp_path / 'bars.png').read_bytes().startswith(b'\x89PNG')
    (tmp_path / 'file').touch()
    with pytest.raises(OfflineError, match=r'cannot write .*file/bars\.png: Not a directory'):
        write_plot(bars, 'a machine', tmp_path / 'file' / 'bars.png')


@pytest.mark.parametrize(
    ('arguments', 'code', 'said'),
    [
        (('--size', '480'), 2, 'HxW as in 480x640'),
        (('--runs', '0'), 2, '--runs'),
        (('--versus', 'midas'), 2, 'versus must be one of'),
        (('--json', 'absent/x.json'), 1, 'there is no folder /'),
        (('--plot', 'bars.docx'), 2, 'must end in .png, .svg or .pdf, got bars.docx'),
        (('--weights', 'absent.safetensors'), 1, 'error: weights must be'),
        (('--engine', 'torch', '--precision', 'fp16', '--device', 'cpu'), 1, "got 'fp16'"),
    ],
)
def test_exit_codes(
    arguments: tuple[str, ...],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('COLUMNS', '200')
    assert exit_code(monkeypatch, 'bench', '--no-memory', *arguments) == code
    printed = capsys.readouterr().err
    assert said in printed
    assert 'Traceback' not in printed


def test_a_process_that_dies_is_one_error() -> None:
    process = WorkerProcess(BenchmarkCase(Work(engine='openvino'), TINY))
    try:
        with pytest.raises(OfflineError, match='must stay alive while it is measured: exit code'):
            process.time(batch=1, seconds=0)  # before it is built
    finally:
        process.close()


def test_a_process_is_ended_without_waiting_for_it_and_so_is_its_converter() -> None:
    process = WorkerProcess(BenchmarkCase(Work(weights='embedded', engine='openvino'), TINY))
    inner = process._process
    assert os.getpgid(inner.pid) == inner.pid  # what it starts is ended with it
    assert process.build(TINY, None).network_hw
    process.close()
    assert inner.returncode == -signal.SIGKILL
    process.close()
