"""The training of an adaptation: how many steps there is time for, and the steps themselves."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader

from drnet_offline.errors import OfflineError
from drnet_offline.training.adaptation.draws import Draws, draw_keys, training_config
from drnet_offline.training.adaptation.learner import Learner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress

    from drnet_offline.datasets.mixture import Mixture
    from drnet_offline.training.adaptation.plan import AdaptationPlan
    from drnet_offline.training.adaptation.state import State
    from drnet_offline.training.data import Batch
    from drnet_ros.network.drnet import DRNet
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['BATCH_SIZE', 'Training']

BATCH_SIZE = 8
_SAVE_EVERY_S = 30.0
_FEWEST_STEPS, _MOST_STEPS = 40, 6000
_MEASURED_STEPS = 5


class Training:
    """Steps in one or several rounds; a round that was interrupted goes on."""

    def __init__(
        self,
        plan: AdaptationPlan,
        state: State,
        progress: Progress,
        metadata: WeightsMetadata,
        size_hw: tuple[int, int],
    ) -> None:
        """Keep what all rounds share.

        Args:
            plan: What is asked for.
            state: Where checkpoints and notes are kept.
            progress: Bars for the terminal.
            metadata: Of the network.
            size_hw: Size of the network's input.
        """
        self._plan = plan
        self._state = state
        self._progress = progress
        self._metadata = metadata
        self._config = training_config(size_hw, BATCH_SIZE, plan.seed)

    def plan_steps(self, network: DRNet, mixture: Mixture, reserved_s: float) -> int:
        """Return how many steps there will be; measured once, and the same after a resume.

        Args:
            network: What will be trained; it is not changed.
            mixture: What it will learn from.
            reserved_s: Time that will be needed for the rest.

        Raises:
            OfflineError: There is no time for the fewest that make sense.
        """
        if self._state.get('steps') is None:
            step_s = self._measure_step(network, mixture)
            steps = self._plan.steps or self._affordable(step_s, reserved_s)
            self._state.note(steps=steps, step_s=step_s)
        return int(self._state.get('steps'))

    def run(self, network: DRNet, mixture: Mixture, steps: int, round_: int) -> DRNet:
        """Train a copy of a network.

        Args:
            network: Where it begins.
            mixture: What it learns from.
            steps: How many steps.
            round_: Number of the round, by which its checkpoint is found.

        Returns:
            The network with the averaged weights.
        """
        learner = Learner(network, self._metadata, steps)
        checkpoint = self._state.folder / f'training{round_}.pt'
        note = f'losses{round_}'
        if checkpoint.is_file():
            learner.load(checkpoint)
        losses: list[float] = list(self._state.get(note) or [])[: learner.step]
        bar = self._progress.add_task('learning', total=steps, completed=learner.step)
        # Each round draws anew.
        seed = self._plan.seed + round_
        keys = draw_keys(mixture, steps * BATCH_SIZE, seed)[learner.step * BATCH_SIZE :]
        saved_s = time.monotonic()
        for batch in self._batches(mixture, keys):
            losses.append(learner.learn(batch))
            self._progress.update(bar, completed=learner.step)
            if time.monotonic() - saved_s > _SAVE_EVERY_S or learner.step == steps:
                learner.save(checkpoint)
                self._state.note(**{note: losses})
                saved_s = time.monotonic()
        return learner.average

    def losses(self, rounds: int) -> list[float]:
        """Return the losses of all steps of all rounds."""
        return [loss for r in range(rounds) for loss in self._state.get(f'losses{r}') or []]

    def _measure_step(self, network: DRNet, mixture: Mixture) -> float:
        """Return how long a step takes, seconds."""
        learner = Learner(network, self._metadata, _MEASURED_STEPS)
        keys = draw_keys(mixture, _MEASURED_STEPS * BATCH_SIZE, self._plan.seed)
        stamps_s = []
        for batch in self._batches(mixture, keys):
            learner.learn(batch)
            stamps_s.append(time.monotonic())
        # The first ones allocate memory.
        return (stamps_s[-1] - stamps_s[1]) / (len(stamps_s) - 2)

    def _affordable(self, step_s: float, reserved_s: float) -> int:
        minutes = self._plan.minutes
        left_s = minutes * 60 - self._state.spent_s - reserved_s
        steps = int(left_s / step_s)
        if steps < _FEWEST_STEPS:
            needed = minutes + (_FEWEST_STEPS * step_s - left_s) / 60
            msg = (
                f'--minutes must leave time for {_FEWEST_STEPS} steps of {step_s:.1f} s, got '
                f'{minutes:g}: give at least {needed:.1f}'
            )
            raise OfflineError(msg)
        return min(steps, _MOST_STEPS)

    def _batches(self, mixture: Mixture, keys: list[int]) -> Iterator[Batch]:
        """Yield the batches of keys; a thread makes the next one during a step.

        A worker process would be forked from one that holds an engine and its threads, which
        neither OpenVINO nor OpenMP supports.
        """
        draws: Any = Draws(mixture, self._config, self._metadata.f_training)
        batches = iter(DataLoader(draws, BATCH_SIZE, sampler=keys, drop_last=True))
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix='batches') as thread:
            coming = thread.submit(next, batches, None)
            while (batch := coming.result()) is not None:
                coming = thread.submit(next, batches, None)
                yield batch
