"""Pictures of the same few validation images after every validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lightning.pytorch import callbacks, loggers

from drnet_offline.evaluation.pictures import PictureRow, draw_rows
from drnet_offline.outputs.files import write_image
from drnet_offline.training.kept_folder import write_kept

if TYPE_CHECKING:
    from pathlib import Path

    import lightning
    from torch.utils.data import Dataset

    from drnet_offline.training.data import Batch

__all__ = ['ValidationPictures', 'spread_out']


def spread_out(count: int, of: int) -> list[int]:
    """Return up to `count` positions, evenly over 0..of-1."""
    count = min(count, of)
    return [(2 * i + 1) * of // (2 * count) for i in range(count)]


class ValidationPictures(callbacks.Callback):
    """Writes pictures/epoch_NNN.png and TensorBoard's 'val/pictures'.

    It stands before the callback that puts the weights being trained back in place of the averaged
    ones, so the pictures are of what was validated.

    Args:
        folder: Of the training; pictures/ is made in it.
        images: The validation images, as `data.ValidationDataset` yields them.
        count: How many are shown.
    """

    def __init__(self, folder: Path, images: Dataset[Batch], count: int) -> None:
        self._folder = folder / 'pictures'
        self._images = images
        self._positions = spread_out(count, len(images))  # type: ignore[arg-type]

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Draw; only the first process does."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        rows = []
        for position in self._positions:
            sample = self._images[position]
            truth = sample['truth'].numpy()
            rows.append(
                PictureRow(
                    label=f'no. {position}',
                    rgb_hwc=sample['rgb'].permute(1, 2, 0).numpy(),
                    truth_hw=truth,
                    estimate_hw=pl_module.estimate(sample),
                )
            )
        sheet = draw_rows(rows)
        path = self._folder / f'epoch_{trainer.current_epoch:03d}.png'
        write_kept(self._folder, lambda: write_image(path, sheet))
        for logger in trainer.loggers:
            if isinstance(logger, loggers.TensorBoardLogger):
                logger.experiment.add_image(
                    'val/pictures', sheet, trainer.global_step, dataformats='HWC'
                )
