"""What the network shall not forget: images of other places, learned again and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import drnet_offline
from drnet_offline.datasets.mixture import Source, SourceConfig
from drnet_offline.datasets.opening import detect_layout, is_nyu, open_dataset
from drnet_offline.datasets.sample import DepthSample
from drnet_offline.replay.index import index_recording
from drnet_offline.training.adaptation.blocks import split_blocks
from drnet_offline.training.adaptation.frame_store import FrameStore, LabelledFrame
from drnet_offline.training.adaptation.preparing import Limits, prepare_frames
from drnet_offline.training.adaptation.scoring import predict
from drnet_offline.training.adaptation.sources import RecordedDepth
from drnet_offline.training.preset_reader import load_config
from drnet_ros.inference import Settings
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import choose_topics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drnet_offline.datasets.sample import DepthDataset
    from drnet_offline.training.adaptation.sources import FrameSource
    from drnet_ros.inference.arrays import UInt8Array
    from drnet_ros.network.drnet import DRNet
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['CLIP', 'Checked', 'ReplaySet', 'clip_replay', 'data_replay']

CLIP = Path(drnet_offline.__file__).parents[1] / 'clip' / 'room'
"""The recording that comes with the repository; not there in an installed package."""

_MOST_CHECKED = 64
_NYU_BORDER_PX = 8
# Other images of the clip are learned again, so that less is forgotten on it than elsewhere:
# weights that had 4 % more REL on it had 8 % more on NYU Depth v2 (docs/adapt.md).
_CLIP_ALLOWANCE = 0.5


@dataclass(frozen=True, slots=True)
class Checked:
    """Images that forgetting is measured on.

    Attributes:
        name: What reports call them.
        samples: Images with depth.
        places: Block and stamp of each.
        allowance: Of what may be forgotten at most, the share that is allowed on these images.
    """

    name: str
    samples: DepthDataset
    places: Sequence[tuple[int, float]]
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


def clip_replay(old: DRNet, metadata: WeightsMetadata, folder: Path, share: float) -> ReplaySet:
    """Make a replay set of the bundled clip, labelled with what the old weights say of it.

    Learning the clip's own depth would hide forgetting: the network would know the clip better
    than before and other rooms less well.

    Args:
        old: The network as it was.
        metadata: Its metadata.
        folder: Where the frames are stored.
        share: Of the training images.
    """
    if not folder.is_dir():
        with ExitStack() as opened:
            recording = opened.enter_context(Recording(CLIP))
            index = index_recording(recording, choose_topics(recording.topics), 0.02)
            source = _AsBefore(RecordedDepth(index, Settings()), old, metadata)
            network_hw = (metadata.input_height, metadata.input_width)
            prepare_frames(source, folder, network_hw, Limits(64, 24))
    store = FrameStore(folder)
    learned, held_out = store.learned(), store.held_out()
    return ReplaySet(
        Source('clip', learned, SourceConfig(weight=share)),
        Checked('the bundled clip', held_out, held_out.places, _CLIP_ALLOWANCE),
        f'{len(learned)} images of the bundled clip with the depth that the old weights give',
    )


class _AsBefore:
    """A source whose learned frames are labelled with the depth that a network gives."""

    def __init__(self, source: FrameSource, network: DRNet, metadata: WeightsMetadata) -> None:
        self.name = source.name
        self.kind = source.kind
        self.labels = source.labels
        self.follows_network = source.follows_network
        self.warnings = source.warnings
        self._source = source
        self._network = network
        self._metadata = metadata

    @property
    def damage(self) -> str:
        return self._source.damage

    def images(self) -> Iterator[tuple[int, float, UInt8Array | None]]:
        return self._source.images()

    def may_have_label(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        return self._source.may_have_label(positions)

    def frames(self, blocks: Mapping[int, int]) -> Iterator[LabelledFrame]:
        for frame in self._source.frames(blocks):
            if frame.block >= 0:
                yield frame
                continue
            sample = DepthSample(frame.name, frame.rgb_hwc, frame.depth_hw, frame.focal_px)
            yield replace(frame, depth_hw=predict(self._network, self._metadata, sample))
