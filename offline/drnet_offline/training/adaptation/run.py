"""An adaptation from recordings to a weights file, a report and a model card."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader

from drnet_offline.datasets.mixture import Mixture, Source, SourceConfig
from drnet_offline.errors import OfflineError
from drnet_offline.training.adaptation.comparison import Comparison, Weights, compare
from drnet_offline.training.adaptation.draws import Draws, draw_keys, training_config
from drnet_offline.training.adaptation.frame_store import FrameStore
from drnet_offline.training.adaptation.gate import MIXTURES, Verdict, block_errors, judge
from drnet_offline.training.adaptation.learner import Learner
from drnet_offline.training.adaptation.mixing import mix
from drnet_offline.training.adaptation.opening import open_source
from drnet_offline.training.adaptation.preparing import (
    Limits,
    check_enough,
    prepare_all,
    prepare_frames,
)
from drnet_offline.training.adaptation.replay_set import CLIP, ReplaySet, clip_replay, data_replay
from drnet_offline.training.adaptation.scoring import mean_of, predict, score_frames
from drnet_ros.inference.preprocess import network_size
from drnet_ros.network.checkpoint import load_network
from drnet_ros.weights import resolve_weights

if TYPE_CHECKING:
    from pathlib import Path

    from rich.progress import Progress

    from drnet_offline.training.adaptation.plan import AdaptationPlan
    from drnet_offline.training.adaptation.state import State
    from drnet_offline.training.data import Batch
    from drnet_ros.network.drnet import DRNet

__all__ = ['Adaptation', 'Outcome']

BATCH_SIZE = 8
_SAVE_EVERY_S = 30.0
_FEWEST_STEPS, _MOST_STEPS = 40, 6000
# Starting, drawing the report and writing.
_RESERVED_S = 30.0
# Recorded depth has edges that are a few pixels off.
_EDGE_WEIGHT = 0.5
_MOST_TESTED = 200


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of an adaptation.

    Attributes:
        verdict: Whether the new weights are better.
        weights: Old weights and the mixture.
        comparisons: Old and new on held-out blocks, replay set and test recordings.
        stores: The frames that were learned from.
        notes: Plain JSON for the reports: labels, steps, mixtures, time spent.
    """

    verdict: Verdict
    weights: Weights
    comparisons: list[Comparison]
    stores: list[FrameStore]
    notes: dict[str, Any]


class Adaptation:
    """One adaptation; all of its state is in a folder, so that another run goes on."""

    def __init__(self, plan: AdaptationPlan, state: State, progress: Progress) -> None:
        """Load the weights that it begins with.

        Args:
            plan: What is asked for.
            state: What is remembered on disk.
            progress: Bars for the terminal.

        Raises:
            WeightsError: The weights cannot be read.
        """
        self._plan = plan
        self._state = state
        self._progress = progress
        old, self._metadata = load_network(resolve_weights(plan.weights))
        device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
        self._old = old.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._stores: list[FrameStore] = []
        self._replay: ReplaySet | None = None

    def run(self) -> Outcome:
        """Prepare, learn, mix and judge.

        Raises:
            DrnetError: A recording cannot be read, or there is too little to learn from.
        """
        plan, network_hw = self._plan, self._network_hw
        limits = Limits(-(-plan.frames // len(plan.recordings)))
        self._stores = [
            self._stored(f'learned{i}', path, plan.labels, limits)
            for i, path in enumerate(plan.recordings)
        ]
        check_enough(self._stores)
        tests = [self._tested(f'test{i}', path) for i, path in enumerate(plan.test)]
        self._replay = self._open_replay()
        learner = self._learn(network_hw)
        verdict, mixtures = self._judge(learner.average)
        mixed = mix(self._old, learner.average, verdict.mixture)
        weights = Weights(self._old, mixed, self._metadata)
        comparisons = self._compare(weights, tests)
        notes = {
            'steps': self._state.get('steps'),
            'batch_size': BATCH_SIZE,
            'step_s': self._state.get('step_s'),
            'mixtures': mixtures,
            'replay': '' if self._replay is None else self._replay.words,
            'losses': self._state.get('losses'),
            'spent_s': self._state.spent_s,
        }
        return Outcome(verdict, weights, comparisons, self._stores, notes)

    @property
    def _network_hw(self) -> tuple[int, int]:
        return self._metadata.input_height, self._metadata.input_width

    def _stored(self, name: str, path: Path, labels: str, limits: Limits) -> FrameStore:
        folder = self._state.folder / name
        if folder.is_dir():
            return FrameStore(folder)
        bar = self._progress.add_task(f'reading {path.name}', total=None)
        advance = partial(self._progress.advance, bar)
        with ExitStack() as opened:
            source = open_source(path, self._plan, labels, opened, advance)
            store = prepare_frames(source, folder, self._network_hw, limits, advance)
        self._progress.update(bar, total=self._progress.tasks[bar].completed)
        return store

    def _tested(self, name: str, path: Path) -> FrameStore:
        folder = self._state.folder / name
        if folder.is_dir():
            return FrameStore(folder)
        bar = self._progress.add_task(f'reading {path.name}', total=None)
        with ExitStack() as opened:
            source = open_source(path, self._plan, 'depth', opened)
            return prepare_all(
                source, folder, self._network_hw, _MOST_TESTED, lambda: self._progress.advance(bar)
            )

    def _open_replay(self) -> ReplaySet | None:
        plan = self._plan
        if plan.replay_data is not None:
            return data_replay(plan.replay_data, plan.replay_share)
        learned = {path.resolve() for path in (*plan.recordings, *plan.test)}
        if not CLIP.is_dir() or learned & {CLIP.resolve(), (CLIP / 'room.mcap').resolve()}:
            return None
        folder = self._state.folder / 'replay'
        return clip_replay(self._old, self._metadata, folder, plan.replay_share)

    def _mixture(self) -> Mixture:
        share = self._plan.replay_share if self._replay is not None else 0.0
        learned = sum(len(store.learned()) for store in self._stores)
        sources = [
            Source(
                str(store.about['name']),
                store.learned(),
                SourceConfig(
                    weight=(1 - share) * len(store.learned()) / learned, edge_weight=_EDGE_WEIGHT
                ),
            )
            for store in self._stores
        ]
        if self._replay is not None and share > 0:
            sources.append(self._replay.source)
        return Mixture(sources)

    def _learn(self, network_hw: tuple[int, int]) -> Learner:
        plan, state = self._plan, self._state
        image_hw = self._stores[0].about['image_hw']
        size = network_size((image_hw[0], image_hw[1]), network_hw)
        mixture = self._mixture()
        config = training_config(size, BATCH_SIZE, plan.seed)
        draws = Draws(mixture, config, self._metadata.f_training)
        if state.get('steps') is None:
            state.note(**self._planned_steps(draws, mixture))
        steps = int(state.get('steps'))
        learner = Learner(self._old, self._metadata, steps)
        if state.checkpoint.is_file():
            learner.load(state.checkpoint)
        bar = self._progress.add_task('learning', total=steps, completed=learner.step)
        keys = draw_keys(mixture, steps * BATCH_SIZE, plan.seed)[learner.step * BATCH_SIZE :]
        saved_s = time.monotonic()
        losses: list[float] = list(state.get('losses') or [])[: learner.step]
        for batch in _loader(draws, keys):
            losses.append(learner.learn(batch))
            self._progress.update(bar, completed=learner.step)
            if time.monotonic() - saved_s > _SAVE_EVERY_S or learner.step == steps:
                learner.save(state.checkpoint)
                state.note(losses=losses)
                saved_s = time.monotonic()
        return learner

    def _planned_steps(self, draws: Draws, mixture: Mixture) -> dict[str, Any]:
        """Measure a step, and return how many there is time for."""
        keys = draw_keys(mixture, 5 * BATCH_SIZE, self._plan.seed)
        learner = Learner(self._old, self._metadata, 5)
        stamps = []
        for batch in _loader(draws, keys):
            learner.learn(batch)
            stamps.append(time.monotonic())
        step_s = (stamps[-1] - stamps[1]) / (len(stamps) - 2)
        if self._plan.steps:
            return {'steps': self._plan.steps, 'step_s': step_s}
        left_s = self._plan.minutes * 60 - self._state.spent_s - self._scoring_s() - _RESERVED_S
        steps = int(left_s / step_s)
        if steps < _FEWEST_STEPS:
            needed = (self._plan.minutes * 60 - left_s + _FEWEST_STEPS * step_s) / 60
            msg = (
                f'--minutes must leave time for {_FEWEST_STEPS} steps of {step_s:.1f} s, got '
                f'{self._plan.minutes:g}: give at least {needed:.0f}'
            )
            raise OfflineError(msg)
        return {'steps': min(steps, _MOST_STEPS), 'step_s': step_s}

    def _scoring_s(self) -> float:
        """Return about how long it takes to score all mixtures, and the best one again."""
        frames = sum(len(store.held_out()) for store in self._stores)
        if self._replay is not None:
            frames += len(self._replay.checked.places)
        began_s = time.monotonic()
        predict(self._old, self._metadata, self._stores[0].held_out()[0])
        each_s = time.monotonic() - began_s
        return each_s * (frames * (len(MIXTURES) + 3) + 2 * _MOST_TESTED * len(self._plan.test))

    def _judge(self, new: DRNet) -> tuple[Verdict, dict[str, Any]]:
        shares = (0.0, *MIXTURES)
        held_out = [store.held_out() for store in self._stores]
        checked = None if self._replay is None else self._replay.checked
        frames = sum(map(len, held_out)) + (0 if checked is None else len(checked.places))
        bar = self._progress.add_task('judging', total=frames * len(shares))
        errors, kept = {}, {}
        for share in shares:
            network = mix(self._old, new, share)
            scores = score_frames(
                network,
                self._metadata,
                [(frames, frames.places) for frames in held_out],
                lambda: self._progress.advance(bar),
            )
            errors[share] = block_errors(scores)
            if checked is not None:
                kept[share] = mean_of(
                    score_frames(
                        network,
                        self._metadata,
                        [(checked.samples, checked.places)],
                        lambda: self._progress.advance(bar),
                    )
                )
        forgotten = {share: kept[share] / kept[0.0] - 1 for share in kept if share}
        old = errors.pop(0.0)
        verdict = judge(
            old, errors, forgotten, most_forgotten=self._plan.most_forgotten, seed=self._plan.seed
        )
        table = {
            f'{share:g}': {
                'held_out_rel': float(each.mean()),
                'blocks': each.tolist(),
                'replay_rel': kept.get(share),
            }
            for share, each in ((0.0, old), *errors.items())
        }
        return verdict, table

    def _compare(self, weights: Weights, tests: list[FrameStore]) -> list[Comparison]:
        sets: list[tuple[str, Any]] = []
        for store in self._stores:
            name = f'{store.about["name"]}, held-out blocks'
            truth = store.held_out_truth()
            words = f' ({store.about["labels"]})' if truth is not None else ''
            sets.append((name + words, store.held_out()))
            if truth is not None:
                sets.append((f'{name} (recorded depth, not learned from)', truth))
        sets += [(str(store.about['name']), store.held_out()) for store in tests]
        found = [(name, frames, frames.places) for name, frames in sets]
        if self._replay is not None:
            checked = self._replay.checked
            found.append((f'{checked.name} (replay)', checked.samples, list(checked.places)))
        bar = self._progress.add_task('comparing', total=sum(len(p) for _, _, p in found))
        return [
            compare(name, frames, places, weights, lambda: self._progress.advance(bar))
            for name, frames, places in found
        ]


def _loader(draws: Draws, keys: list[int]) -> DataLoader[Batch]:
    return DataLoader(draws, BATCH_SIZE, sampler=keys, num_workers=1, drop_last=True)
