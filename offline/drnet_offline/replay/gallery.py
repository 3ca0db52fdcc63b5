"""Frames kept for pictures: a spread over the recording, the best and the worst; bounded."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from drnet_offline.replay.registration import at_size
from drnet_ros.inference.camera import CameraModel

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from drnet_offline.replay.frames import RecordedFrame
    from drnet_ros.inference.arrays import FloatArray, UInt8Array

__all__ = ['Gallery', 'Picture']

_MOST_SPREAD = 48
_WIDEST_PX = 640
_JPEG_QUALITY = 92


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A frame to be shown, at most 640 pixels wide.

    Attributes:
        position: Which image of the recording it is.
        rgb_hwc: uint8 (H, W, 3).
        camera: Its camera at this size, or None.
        truth_hw: Recorded depth, metres, NaN where invalid, or None.
        depths: Estimated depth of each variant.
    """

    position: int
    rgb_hwc: UInt8Array
    camera: CameraModel | None
    truth_hw: FloatArray | None
    depths: tuple[FloatArray, ...]


class Gallery:
    """Keeps frames as files in a folder.

    Files that are no longer kept go only with `sweep`, so that a state saved before still finds
    its own.
    """

    def __init__(self, folder: Path, notes: dict[str, Any] | None = None) -> None:
        """Begin empty, or go on from notes of a gallery in the same folder."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        notes = notes or {}
        self._stride: int = notes.get('stride', 1)
        self._spread: list[int] = list(notes.get('spread', []))
        self._best: list[float] = list(notes.get('best', []))
        self._worst: list[float] = list(notes.get('worst', []))

    @property
    def notes(self) -> dict[str, Any]:
        """What to give to a gallery that goes on from here."""
        names = ('stride', 'spread', 'best', 'worst')
        return {name: getattr(self, f'_{name}') for name in names}

    @property
    def positions(self) -> list[int]:
        """The frames that are kept, in order."""
        extremes = [int(extreme[1]) for extreme in (self._best, self._worst) if extreme]
        return sorted({*self._spread, *extremes})

    @property
    def best(self) -> int | None:
        """The frame with the least error."""
        return int(self._best[1]) if self._best else None

    @property
    def worst(self) -> int | None:
        """The frame with the greatest error."""
        return int(self._worst[1]) if self._worst else None

    def consider(
        self, frame: RecordedFrame, depths: Sequence[FloatArray], error: float | None
    ) -> None:
        """Keep a frame if it is worth it.

        Args:
            frame: The frame; its image is there.
            depths: Estimated depth of each variant.
            error: What frames are ranked by, None if it has none.
        """
        keep = frame.position % self._stride == 0
        if keep:
            self._spread.append(frame.position)
        if error is not None and (not self._best or error < self._best[0]):
            self._best, keep = [error, frame.position], True
        if error is not None and (not self._worst or error > self._worst[0]):
            self._worst, keep = [error, frame.position], True
        if keep:
            _write(self._path(frame.position), frame, depths)
        if len(self._spread) > _MOST_SPREAD:
            self._stride *= 2
            self._spread = [p for p in self._spread if p % self._stride == 0]

    def sweep(self) -> None:
        """Delete the files of frames that are not kept."""
        kept = {self._path(position) for position in self.positions}
        for path in self._folder.glob('*.npz'):
            if path not in kept:
                path.unlink()

    def load(self, position: int) -> Picture:
        """Read a kept frame."""
        with np.load(self._path(position), allow_pickle=False) as saved:
            bgr: Any = cv2.imdecode(saved['jpeg'], cv2.IMREAD_COLOR)
            fields = json.loads(str(saved['camera']))
            depths = [
                saved[name].astype(np.float32)
                for name in sorted(n for n in saved.files if n.startswith('depth'))
            ]
            truth = saved['truth'].astype(np.float32) if 'truth' in saved.files else None
        rgb = np.ascontiguousarray(bgr[..., ::-1], np.uint8)
        camera = None
        if fields is not None:
            values: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()
            }
            camera = CameraModel(**values)
        return Picture(position, rgb, camera, truth, tuple(depths))

    def _path(self, position: int) -> Path:
        return self._folder / f'{position:08d}.npz'


def _write(path: Path, frame: RecordedFrame, depths: Sequence[FloatArray]) -> None:
    rgb = frame.rgb_hwc
    if rgb is None:
        return
    height, width = rgb.shape[:2]
    factor = min(1.0, _WIDEST_PX / width)
    size = (max(1, round(height * factor)), max(1, round(width * factor)))
    small = cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_AREA)
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    arrays: dict[str, Any] = {
        'jpeg': cv2.imencode('.jpg', cv2.cvtColor(small, cv2.COLOR_RGB2BGR), quality)[1].ravel()
    }
    camera = None if frame.camera is None else dataclasses.asdict(frame.camera.scaled_to(*size))
    if camera is not None:
        camera = {k: list(v) if isinstance(v, tuple) else v for k, v in camera.items()}
    arrays['camera'] = np.array(json.dumps(camera))
    for number, depth in enumerate(depths):
        arrays[f'depth{number:02d}'] = _small(depth, size)
    if frame.truth_hw is not None and (truth := at_size(frame.truth_hw, size)) is not None:
        arrays['truth'] = truth.astype(np.float16)
    np.savez(path, **arrays)


def _small(depth_hw: FloatArray, size: tuple[int, int]) -> NDArray[np.float16]:
    resized = cv2.resize(depth_hw, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return resized.astype(np.float16)
