"""An adaptation from recordings to a weights file, a report and a model card."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import torch

from drnet_offline.datasets.mixture import Mixture, Source, SourceConfig
from drnet_offline.evaluation.figures import own_depth_warning, shape_difference
from drnet_offline.replay.registration import topics_text
from drnet_offline.training.adaptation.comparison import Comparison, Weights
from drnet_offline.training.adaptation.frame_store import FrameStore
from drnet_offline.training.adaptation.gate import MIXTURES, Verdict
from drnet_offline.training.adaptation.judging import compare_on, judge_mixtures
from drnet_offline.training.adaptation.mixing import mix
from drnet_offline.training.adaptation.opening import open_source
from drnet_offline.training.adaptation.pictures import ROOMS, are_pictures
from drnet_offline.training.adaptation.preparing import (
    Limits,
    check_enough,
    prepare_again,
    prepare_all,
    prepare_frames,
)
from drnet_offline.training.adaptation.replay_set import ReplaySet, data_replay, picture_replay
from drnet_offline.training.adaptation.scoring import predict
from drnet_offline.training.adaptation.sources import RecordedFrames
from drnet_offline.training.adaptation.training import BATCH_SIZE, Training
from drnet_ros.inference.preprocess import network_size
from drnet_ros.network.checkpoint import load_network, save_network
from drnet_ros.weights import resolve_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rich.progress import Progress

    from drnet_offline.training.adaptation.plan import AdaptationPlan
    from drnet_offline.training.adaptation.sources import FrameSource
    from drnet_offline.training.adaptation.state import State
    from drnet_ros.network.drnet import DRNet

__all__ = ['Adaptation', 'Outcome']

# Starting, drawing the report and writing.
_RESERVED_S = 30.0
# Recorded depth has edges that are a few pixels off.
_EDGE_WEIGHT = 0.5
_MOST_TESTED = 200
_MOST_LOOKED_AT = 8


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of an adaptation.

    Attributes:
        verdict: Whether the new weights are better.
        weights: Old weights and the mixture that the verdict shows.
        comparisons: Old and new on held-out blocks, replay set and test recordings.
        stores: The frames that were learned from.
        notes: Plain JSON for the reports: labels, steps, mixtures, time spent.
    """

    verdict: Verdict
    weights: Weights
    comparisons: list[Comparison]
    stores: list[FrameStore]
    notes: dict[str, Any]


class Prepare(Protocol):
    """Stores frames of a source, as the functions of `preparing` do."""

    def __call__(
        self,
        source: FrameSource,
        folder: Path,
        network_hw: tuple[int, int],
        *,
        on_frame: Callable[[], None],
    ) -> FrameStore:
        """Store them in the folder."""
        ...


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

    def run(self) -> Outcome:
        """Prepare, learn, mix and judge.

        Raises:
            DrnetError: A recording cannot be read, or there is too little to learn from.
        """
        plan = self._plan
        limits = Limits(-(-plan.frames // len(plan.recordings)))
        prepare = partial(prepare_frames, limits=limits)
        stores = [
            self._stored(f'learned{i}', path, plan.labels, prepare)
            for i, path in enumerate(plan.recordings)
        ]
        check_enough(stores)
        self._warn_of_own_depth(stores)
        spread = partial(prepare_all, most=_MOST_TESTED)
        tests = [
            self._stored(f'test{i}', path, 'depth', spread) for i, path in enumerate(plan.test)
        ]
        replay = self._open_replay()
        new, about = self._learn(stores, replay)
        checked = None if replay is None else replay.checked
        verdict, mixtures = judge_mixtures(
            (self._old, new), self._metadata, stores, checked, plan, self._progress
        )
        weights = Weights(self._old, mix(self._old, new, verdict.shown), self._metadata)
        comparisons = compare_on(weights, stores, tests, checked, self._progress)
        notes = {
            **about,
            'mixtures': mixtures,
            'replay': '' if replay is None else replay.words,
            'spent_s': self._state.spent_s,
        }
        return Outcome(verdict, weights, comparisons, stores, notes)

    @property
    def _network_hw(self) -> tuple[int, int]:
        return self._metadata.input_height, self._metadata.input_width

    def _stored(
        self, name: str, path: Path, labels: str, prepare: Prepare, weights: str = ''
    ) -> FrameStore:
        """Return frames that are stored, or store them."""
        folder = self._state.folder / name
        if folder.is_dir():
            return FrameStore(folder)
        bar = self._progress.add_task(f'reading {path.name}', total=None)
        advance = partial(self._progress.advance, bar)
        plan = replace(self._plan, weights=weights or self._plan.weights)
        with ExitStack() as opened:
            source = open_source(path, plan, labels, opened, advance)
            if isinstance(source, RecordedFrames):
                self._print(f'{path.name}: {topics_text(source.index.choice)}')
            for text in source.warnings:
                self._warn(f'{path.name}: {text}')
            store = prepare(source, folder, self._network_hw, on_frame=advance)
        self._progress.update(bar, total=self._progress.tasks[bar].completed)
        return store

    def _warn_of_own_depth(self, stores: Sequence[FrameStore]) -> None:
        """Say where the depth to learn from is that of the old weights."""
        for store in stores:
            if store.about['kind'] != 'depth':
                continue
            frames = store.held_out()
            places = range(0, len(frames), -(-len(frames) // _MOST_LOOKED_AT))
            samples = [frames[place] for place in places]
            differences = [
                shape_difference(predict(self._old, self._metadata, sample), sample.depth_hw)
                for sample in samples
            ]
            if text := own_depth_warning(differences):
                self._warn(f'{store.about["name"]}: {text}')

    def _warn(self, text: str) -> None:
        self._print(f'warning: {text}')

    def _print(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _open_replay(self) -> ReplaySet | None:
        share, path = self._plan.replay_share, self._plan.replay_data or ROOMS
        if not path.is_dir() and self._plan.replay_data is None:
            return None  # an installed package has no pictures
        if not are_pictures(path):
            return data_replay(path, share)
        bar = self._progress.add_task(f'pictures in {path.name}', total=None)
        replay = picture_replay(
            path,
            (self._old, self._metadata),
            self._state.folder / 'replay',
            share,
            partial(self._progress.advance, bar),
        )
        self._progress.update(bar, total=self._progress.tasks[bar].completed)
        return replay

    def _learn(
        self, stores: Sequence[FrameStore], replay: ReplaySet | None
    ) -> tuple[DRNet, dict[str, Any]]:
        """Train, in two rounds where labels follow the weights; return weights and notes."""
        if self._state.get('prepared_s') is None:
            self._state.note(prepared_s=self._state.spent_s)
        image_hw = stores[0].about['image_hw']
        size = network_size((image_hw[0], image_hw[1]), self._network_hw)
        training = Training(self._plan, self._state, self._progress, self._metadata, size)
        mixture = self._mixture(stores, replay)
        rounds = 2 if any(store.about['follows_network'] for store in stores) else 1
        reserved_s = self._scoring_s(stores, replay) + _RESERVED_S
        reserved_s += (rounds - 1) * self._state.get('prepared_s')
        steps = training.plan_steps(self._old, mixture, reserved_s)
        new = self._old
        for number in range(rounds):
            if number:
                mixture = self._mixture(self._labelled_again(new, stores), replay)
            new = training.run(new, mixture, -(-steps // rounds), number)
        notes: dict[str, Any] = {'steps': steps, 'batch_size': BATCH_SIZE, 'rounds': rounds}
        notes |= {'step_s': self._state.get('step_s'), 'losses': training.losses(rounds)}
        return new, notes

    def _labelled_again(self, network: DRNet, stores: Sequence[FrameStore]) -> list[FrameStore]:
        """Scale the depth of newer weights by what sensors know: its shape is better."""
        path = self._state.folder / 'round0.safetensors'
        if not path.is_file():
            save_network(path, network, self._metadata)
        return [
            self._stored(
                f'again{i}',
                recording,
                store.about['kind'],
                partial(prepare_again, before=store),
                str(path),
            )
            for i, (recording, store) in enumerate(zip(self._plan.recordings, stores, strict=True))
        ]

    def _mixture(self, stores: Sequence[FrameStore], replay: ReplaySet | None) -> Mixture:
        share = self._plan.replay_share if replay is not None else 0.0
        learned = [store.learned() for store in stores]
        total = sum(map(len, learned))
        sources = [
            Source(
                str(store.about['name']),
                frames,
                SourceConfig(weight=(1 - share) * len(frames) / total, edge_weight=_EDGE_WEIGHT),
            )
            for store, frames in zip(stores, learned, strict=True)
        ]
        if replay is not None and share > 0:
            sources.append(replay.source)
        return Mixture(sources)

    def _scoring_s(self, stores: Sequence[FrameStore], replay: ReplaySet | None) -> float:
        """Return about how long it takes to score all mixtures, and the best one again."""
        frames = sum(len(store.held_out()) for store in stores)
        frames += 0 if replay is None else len(replay.checked.places)
        began_s = time.monotonic()
        predict(self._old, self._metadata, stores[0].held_out()[0])
        each_s = time.monotonic() - began_s
        return each_s * (frames * (len(MIXTURES) + 3) + 2 * _MOST_TESTED * len(self._plan.test))
