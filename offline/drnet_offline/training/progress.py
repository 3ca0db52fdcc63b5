"""What a training says while it runs: its bar, a line for each validation, and its speed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from lightning.pytorch import callbacks

if TYPE_CHECKING:
    import lightning

__all__ = ['TrainingProgress']


class TrainingProgress(callbacks.RichProgressBar):
    """A bar with loss, images a second and the last metrics, and a line for each validation.

    `train/images_per_s` counts all processes, from an epoch's first batch asked for to its last
    one done, without validation. `train/loader_wait` is the share of that time in which the first
    process waited for its loader. (A GPU may still be busy then, so it is an upper bound there.)
    """

    def __init__(self) -> None:
        super().__init__(refresh_rate=10)
        self._began_s = self._free_s = self._waited_s = 0.0
        self._images = 0
        self._speeds: list[tuple[int, float, float]] = []

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Print what is trained on what."""
        super().on_train_start(trainer, pl_module)
        millions = sum(p.numel() for p in pl_module.parameters()) / 1e6
        self.print(
            f'{millions:.2f} M parameters, {trainer.num_training_batches} steps an epoch, '
            f'{trainer.world_size} x {pl_module.device.type}'
        )

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Start the clock."""
        super().on_train_epoch_start(trainer, pl_module)
        self._began_s = self._free_s = time.perf_counter()
        self._waited_s, self._images = 0.0, 0

    def on_train_batch_start(self, *_: Any) -> None:
        """Count how long this batch was waited for."""
        self._waited_s += time.perf_counter() - self._free_s

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Log the speed so far."""
        self._images += len(batch['rgb']) * trainer.world_size
        self._free_s = time.perf_counter()
        elapsed_s = self._free_s - self._began_s
        pl_module.log('train/images_per_s', self._images / elapsed_s, prog_bar=True)
        pl_module.log('train/loader_wait', self._waited_s / elapsed_s)
        if trainer.is_last_batch:
            self._speeds.append((self._images, elapsed_s, self._waited_s))
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Print the metrics, where a log file has them too."""
        super().on_validation_end(trainer, pl_module)
        value = trainer.callback_metrics
        self.print(
            f'epoch {trainer.current_epoch + 1}/{trainer.max_epochs}: '
            f'RMSE {value["val/rmse"]:.3f} m, REL {value["val/rel"]:.3f}, '
            f'delta1 {value["val/delta1"]:.3f} (eigen, {value["val/n_images"]:.0f} images); '
            f'{value["train/images_per_s"]:.1f} images/s'
        )

    def on_train_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Print the speed of all epochs but the first, which compiles and fills caches."""
        super().on_train_end(trainer, pl_module)
        counted = self._speeds[1:] or self._speeds
        if counted and trainer.is_global_zero:
            images, elapsed_s, waited_s = map(sum, zip(*counted, strict=True))
            self.print(
                f'{len(self._speeds)} epochs trained, {images / elapsed_s:.1f} images/s; '
                f'{waited_s / elapsed_s:.1%} of the time was waiting for the loader'
            )

    def print(self, *words: Any, **_: Any) -> None:
        """Print above the bar, or as plain lines where there is no terminal."""
        if self._console is not None and self.is_enabled:
            self._console.print(*words, highlight=False, soft_wrap=True)
