"""What a training keeps: the best and the last weights, as files the node loads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import callbacks

from drnet_offline.errors import OfflineError
from drnet_offline.training.kept_folder import write_kept
from drnet_ros.network.checkpoint import save_network

if TYPE_CHECKING:
    from pathlib import Path

    import lightning

    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['WeightsWriter']


class WeightsWriter(callbacks.Callback):
    """Writes best.safetensors whenever validation improves, and last.safetensors always.

    What is written is what was validated: the averaged weights where the preset averages.
    """

    def __init__(self, folder: Path, metadata: WeightsMetadata) -> None:
        self._folder = folder
        self._metadata = metadata
        self._best = float('inf')
        self._best_path = folder / 'best.safetensors'
        self._lost_in: int | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training must know."""
        return {'best': self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what an interrupted training knew."""
        self._best = float(state_dict['best'])

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: Any, checkpoint: dict[str, Any]
    ) -> None:
        """Add whether there are best weights, which a resumed training must find."""
        del trainer, pl_module
        checkpoint['has_best'] = self._best < float('inf')

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Write the weights that were just validated.

        Callbacks come before the module's own hook and in their order, so this one stands before
        the callback that puts the weights being trained back in place of the averaged ones.
        """
        metrics = pl_module.validation_figures()
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        if self._best < float('inf') and not self._best_path.is_file():
            # The best of what is to come is better than none.
            self._best, self._lost_in = float('inf'), trainer.current_epoch
        figures = {**metrics, 'protocol': 'eigen', 'epoch': trainer.current_epoch}
        metadata = replace(self._metadata, metrics=figures)
        names = ['last']
        if metrics['criterion'] < self._best:
            self._best = metrics['criterion']
            names.append('best')

        def write() -> None:
            for name in names:
                path = self._folder / f'{name}.safetensors'
                save_network(path, pl_module.network, metadata, dtype=torch.float16)

        write_kept(self._folder, write)

    def check_kept(self) -> None:
        """See to it at the end that the best weights of the whole training are there.

        Raises:
            OfflineError: They were deleted meanwhile.
        """
        if not self._best_path.is_file():
            msg = f'{self._best_path} was deleted while this training ran'
            raise OfflineError(msg)
        if self._lost_in is not None:
            msg = (
                f'{self._best_path} was deleted while this training ran: what is there now is the '
                f'best of epoch {self._lost_in} and those after it'
            )
            raise OfflineError(msg)
