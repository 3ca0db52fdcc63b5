"""What the network shall not forget: images of other places, learned again and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from drnet_offline.datasets.image_files import read_photo
from drnet_offline.datasets.mixture import Source, SourceConfig
from drnet_offline.datasets.opening import detect_layout, is_nyu, open_dataset
from drnet_offline.datasets.sample import DepthSample
from drnet_offline.training.adaptation.blocks import split_blocks
from drnet_offline.training.adaptation.frame_store import FrameStore, LabelledFrame, write_frames
from drnet_offline.training.adaptation.pictures import middle_of, pictures_in
from drnet_offline.training.adaptation.scoring import predict
from drnet_offline.training.preset_reader import load_config

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from drnet_offline.datasets.sample import DepthDataset
    from drnet_ros.network.drnet import DRNet
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['Checked', 'ReplaySet', 'data_replay', 'picture_replay']

_MOST_CHECKED = 64
_NYU_BORDER_PX = 8
_CHECKED_SHARE = 1 / 4
# A rise of REL on NYU Depth v2 by 5 % of itself belonged to a change of 7.3 % on the rendered
# interiors after learning from depth, 9 % from a scan and 9.8 % from odometry (docs/lab).
_CHANGE_ALLOWANCE = 1.5


@dataclass(frozen=True, slots=True)
class Checked:
    """Images that forgetting is measured on.

    Attributes:
        name: What reports call them.
        samples: Images with depth.
        places: Block and stamp of each.
        is_old_depth: Whether their depth is what the old weights give: how much it changes is
            measured, not how much worse it becomes.
        allowance: Of what may be forgotten at most, the share that is allowed on these images.
    """

    name: str
    samples: DepthDataset
    places: Sequence[tuple[int, float]]
    is_old_depth: bool = False
    allowance: float = 1.0


@dataclass(frozen=True, slots=True)
class ReplaySet:
    """Images that are learned again, and others that forgetting is measured on.

    Attributes:
        source: What is learned again.
        checked: What is measured; nothing of it is learned.
        words: What is learned again, for reports.
    """

    source: Source
    checked: Checked
    words: str


class Subset:
    """Some images of a data set."""

    def __init__(self, samples: DepthDataset, indices: NDArray[np.intp]) -> None:
        """Keep which are meant."""
        self._samples = samples
        self._indices = indices

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._indices)

    def __getitem__(self, index: int) -> DepthSample:
        """Read one image."""
        return self._samples[int(self._indices[index])]


def data_replay(path: Path, share: float) -> ReplaySet:
    """Make a replay set of a data set with depth.

    Of NYU Depth v2 the validation blocks of `drnet train` are checked, of others the middle fifth
    of each sixth.

    Args:
        path: In any layout of `drnet train`.
        share: Of the training images.

    Raises:
        DatasetError: If it cannot be read.
    """
    if is_nyu(path):
        blocks = load_config('nyu_v2_train795').data.validation_blocks
        learned, checked = (
            open_dataset(path, detect_layout(path), part=part, validation_blocks=blocks)
            for part in ('train', 'val')
        )
        border_px = _NYU_BORDER_PX
    else:
        samples = open_dataset(path)
        split = split_blocks(np.arange(len(samples)) / 1.0)
        learned = Subset(samples, np.flatnonzero(split.is_learned))
        checked = Subset(samples, np.flatnonzero(split.block >= 0))
        border_px = 0
    count = min(_MOST_CHECKED, len(checked))
    spread = Subset(checked, np.linspace(0, len(checked) - 1, count).round().astype(int))
    config = SourceConfig(weight=share, border_px=border_px)
    return ReplaySet(
        Source(path.name, learned, config),
        Checked(path.name, spread, [(0, float(i)) for i in range(count)]),
        f'{len(learned)} images of {path.name} with their depth',
    )


def picture_replay(
    path: Path,
    weights: tuple[DRNet, WeightsMetadata],
    folder: Path,
    share: float,
    on_picture: Callable[[], None] = lambda: None,
) -> ReplaySet:
    """Make a replay set of pictures of other rooms, labelled with what the old weights see.

    What a network knew before is what it said before (Li and Hoiem, Learning without Forgetting,
    ECCV 2016): no depth is needed. The last quarter, by name, is checked.

    Args:
        path: A folder of pictures.
        weights: The network as it was, and its metadata.
        folder: Where the pictures are stored with their depth.
        share: Of the training images.
        on_picture: Called for each picture.
    """
    network, metadata = weights
    if not folder.is_dir():
        files = pictures_in(path)
        frames = _seen_by(network, metadata, files, on_picture)
        size = (metadata.input_height, metadata.input_width)
        write_frames(folder, frames, len(files), size, {'name': path.name})
    store = FrameStore(folder)
    learned, checked = store.learned(), store.held_out()
    return ReplaySet(
        Source(path.name, learned, SourceConfig(weight=share)),
        Checked(
            f'pictures in {path.name}, against the depth of the old weights',
            checked,
            checked.places,
            is_old_depth=True,
            allowance=_CHANGE_ALLOWANCE,
        ),
        f'{len(learned)} pictures in {path.name} with the depth that the old weights give',
    )


def _seen_by(
    network: DRNet,
    metadata: WeightsMetadata,
    files: Sequence[Path],
    on_picture: Callable[[], None],
) -> Iterator[LabelledFrame]:
    """Yield pictures at the network's size with the depth that it gives."""
    size_hw = (metadata.input_height, metadata.input_width)
    first_checked = round(len(files) * (1 - _CHECKED_SHARE))
    for place, file in enumerate(files):
        rgb = middle_of(read_photo(file).rgb_hwc, size_hw)
        # Whatever the focal length is, the same factor is in label and estimate.
        focal_px = metadata.f_training
        sample = DepthSample(file.name, rgb, np.zeros(size_hw, np.float32), focal_px)
        depth_hw = predict(network, metadata, sample)
        block = 0 if place >= first_checked else -1
        yield LabelledFrame(file.name, place, float(place), block, rgb, focal_px, depth_hw)
        on_picture()
