"""Chosen frames on disk, at about the network's size: read again in every epoch, at no cost."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from drnet_offline.datasets.sample import DepthSample
from drnet_offline.replay.registration import at_size
from drnet_offline.training.augment import resized_focal_px

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from drnet_ros.inference.arrays import FloatArray, UInt8Array

__all__ = ['FrameStore', 'LabelledFrame', 'StoredFrames', 'stored_size', 'write_frames']

# Sides of stored images over those of the network's input: augmentation zooms in.
_LARGER = 4 / 3
_MM_PER_M = 1000
_MOST_WEIGHT = 255


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFrame:
    """An image with what is to be learned from it.

    Attributes:
        name: What reports call it.
        position: Which image of its recording it is.
        stamp_s: When it was taken, seconds.
        block: Number of its held-out block, -1 if it is learned.
        rgb_hwc: uint8 (H, W, 3).
        focal_px: Focal length at this size, pixels.
        depth_hw: The label, metres, NaN where there is none, of any size of the same view.
        weight_hw: How sure the label is, 0 to 1, at its size; None if it is all the same.
        truth_hw: Recorded depth that is not the label; None if there is none.
    """

    name: str
    position: int
    stamp_s: float
    block: int
    rgb_hwc: UInt8Array
    focal_px: float
    depth_hw: FloatArray
    weight_hw: FloatArray | None = None
    truth_hw: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    position: int
    stamp_s: float
    block: int
    focal_px: float


def stored_size(image_hw: tuple[int, int], network_hw: tuple[int, int]) -> tuple[int, int]:
    """Return the size at which images are stored: their own, if that is no larger than needed."""
    scale = max(network_hw[0] / image_hw[0], network_hw[1] / image_hw[1]) * _LARGER
    if scale >= 1:
        return image_hw
    return round(image_hw[0] * scale), round(image_hw[1] * scale)


def write_frames(
    folder: Path,
    frames: Iterable[LabelledFrame],
    count: int,
    size_hw: tuple[int, int],
    about: dict[str, Any],
) -> FrameStore:
    """Write frames, whole or not at all.

    Args:
        folder: Where to; must not be there.
        frames: At most `count` of them.
        count: How many there is room for.
        size_hw: Their size on disk.
        about: Plain JSON that stays with them.

    Raises:
        OSError: The disk has no room for them.
    """
    part = folder.with_name(folder.name + '.part')
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    arrays = _new_arrays(part, count, size_hw)
    entries: list[_Entry] = []
    has = dict.fromkeys(('weight', 'truth'), False)
    for frame in frames:
        index = len(entries)
        _reserve((arrays['rgb'], arrays['depth']), index)
        focal_px = resized_focal_px(frame.focal_px, frame.rgb_hwc.shape[:2], size_hw)
        entries.append(_Entry(frame.name, frame.position, frame.stamp_s, frame.block, focal_px))
        rgb = cv2.resize(frame.rgb_hwc, size_hw[::-1], interpolation=cv2.INTER_AREA)
        arrays['rgb'][index] = rgb
        arrays['depth'][index] = _to_mm(frame.depth_hw, size_hw)
        if frame.weight_hw is not None:
            has['weight'] = True
            _reserve((arrays['weight'],), index)
            weight = cv2.resize(frame.weight_hw, size_hw[::-1], interpolation=cv2.INTER_NEAREST)
            arrays['weight'][index] = np.clip(np.rint(weight * _MOST_WEIGHT), 0, _MOST_WEIGHT)
        if frame.truth_hw is not None:
            has['truth'] = True
            _reserve((arrays['truth'],), index)
            arrays['truth'][index] = _to_mm(frame.truth_hw, size_hw)
    for array in arrays.values():
        array.flush()
    del arrays
    for name, is_there in has.items():
        if not is_there:
            (part / f'{name}.npy').unlink()
    text = json.dumps({'about': about, 'frames': [asdict(entry) for entry in entries]})
    (part / 'frames.json').write_text(text, encoding='utf-8')
    part.replace(folder)
    return FrameStore(folder)


def _new_arrays(
    folder: Path, count: int, size_hw: tuple[int, int]
) -> dict[str, np.memmap[Any, np.dtype[Any]]]:
    shape = (count, *size_hw)
    kinds: dict[str, tuple[tuple[int, ...], type]] = {
        'rgb': ((*shape, 3), np.uint8),
        'depth': (shape, np.uint16),
        'weight': (shape, np.uint8),
        'truth': (shape, np.uint16),
    }
    # A file that is never written to takes no room on disk.
    return {
        name: np.lib.format.open_memmap(folder / f'{name}.npy', 'w+', dtype, shape)
        for name, (shape, dtype) in kinds.items()
    }


def _reserve(arrays: Sequence[np.memmap[Any, np.dtype[Any]]], index: int) -> None:
    """Have the disk set room aside for an entry: without it, writing ends the process (SIGBUS)."""
    for array in arrays:
        size = array[index].nbytes
        with Path(str(array.filename)).open('r+b') as file:
            os.posix_fallocate(file.fileno(), array.offset + index * size, size)


def _to_mm(depth_hw: FloatArray, size_hw: tuple[int, int]) -> NDArray[np.uint16]:
    depth = at_size(depth_hw, size_hw)
    if depth is None:
        return np.zeros(size_hw, np.uint16)
    mm = np.nan_to_num(depth * np.float32(_MM_PER_M), nan=0.0, posinf=0.0, neginf=0.0)
    mm[(mm < 1) | (mm > np.iinfo(np.uint16).max)] = 0
    return np.asarray(np.rint(mm), np.uint16)


class FrameStore:
    """Frames that `write_frames` wrote.

    Attributes:
        folder: Where they are.
        about: What was written with them.
        entries: Name, stamp, block and focal length of each.
    """

    def __init__(self, folder: Path) -> None:
        """Read what there is."""
        self.folder = folder
        values = json.loads((folder / 'frames.json').read_text(encoding='utf-8'))
        self.about: dict[str, Any] = values['about']
        self.entries = [_Entry(**entry) for entry in values['frames']]

    @cached_property
    def rgb(self) -> NDArray[np.uint8]:
        """The images, (N, H, W, 3)."""
        return self._open('rgb')

    def depth_hw(self, index: int) -> NDArray[np.float32]:
        """Return a label, metres, NaN where there is none."""
        return _to_m(self._depths[index])

    def truth_hw(self, index: int) -> NDArray[np.float32] | None:
        """Return recorded depth that is not the label; None if there is none."""
        return None if self._truths is None else _to_m(self._truths[index])

    def weight_hw(self, index: int) -> NDArray[np.float32] | None:
        """Return how sure a label is, 0 to 1; None if it is all the same."""
        if self._weights is None:
            return None
        return np.asarray(self._weights[index] / np.float32(_MOST_WEIGHT), np.float32)

    def learned(self) -> StoredFrames:
        """Return the frames that are learned from."""
        return StoredFrames(self, [i for i, e in enumerate(self.entries) if e.block < 0])

    def held_out(self) -> StoredFrames:
        """Return the frames of the held-out blocks."""
        return StoredFrames(self, [i for i, e in enumerate(self.entries) if e.block >= 0])

    def held_out_truth(self) -> StoredFrames | None:
        """Return those of them with recorded depth that is no label; None if there are none."""
        return None if self._truths is None else _TrueFrames(self, self.held_out().indices)

    @cached_property
    def _depths(self) -> NDArray[np.uint16]:
        return self._open('depth')

    @cached_property
    def _weights(self) -> NDArray[np.uint8] | None:
        return self._open('weight') if (self.folder / 'weight.npy').is_file() else None

    @cached_property
    def _truths(self) -> NDArray[np.uint16] | None:
        return self._open('truth') if (self.folder / 'truth.npy').is_file() else None

    def _open(self, name: str) -> NDArray[Any]:
        array: NDArray[Any] = np.load(self.folder / f'{name}.npy', mmap_mode='r')
        return array


def _to_m(depth_mm: NDArray[np.uint16]) -> NDArray[np.float32]:
    depth = depth_mm.astype(np.float32) / np.float32(_MM_PER_M)
    depth[depth_mm == 0] = np.nan
    return depth


class StoredFrames:
    """Some frames of a store, as a data set.

    Attributes:
        store: The store.
        indices: Which of its frames.
    """

    def __init__(self, store: FrameStore, indices: Sequence[int]) -> None:
        """Keep which frames are meant."""
        self.store = store
        self.indices = list(indices)

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.indices)

    def __getitem__(self, index: int) -> DepthSample:
        """Return a frame with its label."""
        place = self.indices[index]
        entry = self.store.entries[place]
        rgb = np.array(self.store.rgb[place])
        return DepthSample(entry.name, rgb, self.store.depth_hw(place), entry.focal_px)

    @property
    def places(self) -> list[tuple[int, float]]:
        """Block and stamp in seconds of each frame."""
        entries = [self.store.entries[place] for place in self.indices]
        return [(entry.block, entry.stamp_s) for entry in entries]

    def sure_part(self, index: int, least: float, *, of_surest: bool = False) -> DepthSample:
        """Return a frame with its label where that is sure enough; all of it without weights.

        Args:
            index: Which frame.
            least: Least weight.
            of_surest: Whether that is a share of the largest weight in the frame.
        """
        sample = self[index]
        weight = self.store.weight_hw(self.indices[index])
        if weight is not None:
            limit = least * float(weight.max()) if of_surest else least
            sample.depth_hw[weight < limit] = np.nan
        return sample


class _TrueFrames(StoredFrames):
    """Frames with their recorded depth in place of the label."""

    def __getitem__(self, index: int) -> DepthSample:
        sample = super().__getitem__(index)
        truth = self.store.truth_hw(self.indices[index])
        return sample if truth is None else replace(sample, depth_hw=truth)

    def sure_part(
        self,
        index: int,
        least: float,  # noqa: ARG002 - all is sure
        *,
        of_surest: bool = False,  # noqa: ARG002
    ) -> DepthSample:
        return self[index]
