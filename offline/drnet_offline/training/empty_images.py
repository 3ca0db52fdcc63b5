"""Images without any depth: they count for nothing, and each is named once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lightning.pytorch import callbacks

if TYPE_CHECKING:
    from collections.abc import Mapping

    import lightning

    from drnet_offline.datasets.mixture import Mixture
    from drnet_offline.training.progress import TrainingProgress

__all__ = ['EmptyImages']

_MOST_NAMED = 10


class EmptyImages(callbacks.Callback):
    """Names, after each validation, the images without depth that have not been named before.

    Args:
        sets: The images of each part, 'training' and 'validation'.
        found: Places of images without depth in each part, which `DepthData` adds to.
        progress: What prints.
    """

    def __init__(
        self,
        sets: Mapping[str, Mixture],
        found: Mapping[str, set[int]],
        progress: TrainingProgress,
    ) -> None:
        self._sets = sets
        self._found = found
        self._said: dict[str, set[int]] = {part: set() for part in sets}
        self._progress = progress

    def on_validation_end(
        self,
        trainer: lightning.Trainer,  # noqa: ARG002
        pl_module: lightning.LightningModule,  # noqa: ARG002
    ) -> None:
        """Print a line for each part that has new ones."""
        for part, samples in self._sets.items():
            places = sorted(self._found[part] - self._said[part])
            self._said[part].update(places)
            if not places:
                continue
            names = ', '.join(Path(samples[place].name).name for place in places[:_MOST_NAMED])
            more = f' and {len(places) - _MOST_NAMED} more' if len(places) > _MOST_NAMED else ''
            self._progress.print(
                f'warning: {len(places)} of {len(samples)} images for {part} have no valid depth '
                f'and count for nothing: {names}{more}'
            )
