"""What an adaptation is asked for."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ['LABELS', 'WEIGHTS_NAME', 'AdaptationPlan', 'TopicNames', 'sha256_of']

LABELS = ('depth', 'sparse', 'odometry')
"""What a network can learn from: recorded depth, what sensors know, images with odometry."""


WEIGHTS_NAME = 'adapted.safetensors'
"""The file of the new weights in the output folder."""


@dataclass(frozen=True, slots=True)
class TopicNames:
    """Topics of the recordings as the command line names them; None and () are found by type.

    Attributes:
        image: The images.
        camera_info: Their CameraInfo.
        depth: Recorded depth.
        sources: Source of sparse depth and its topic, by pairs.
        settings: Parameters of the node, each 'NAME=VALUE', for the sources of sparse depth.
    """

    image: str | None = None
    camera_info: str | None = None
    depth: str | None = None
    sources: tuple[tuple[str, str], ...] = ()
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AdaptationPlan:
    """All that the result depends on.

    Attributes:
        recordings: Recordings or data sets to learn from.
        test: Recordings or data sets that weights are scored on before and after, never learned.
        labels: One of `LABELS`, or 'auto'.
        weights: 'embedded' or a file: where the adaptation begins.
        minutes: About how long the whole of it may take.
        steps: Steps of training; 0 is as many as the minutes allow.
        frames: The most frames that are learned from.
        replay_data: Pictures of other rooms, or a data set with depth; None for rendered rooms.
        replay_share: Share of the training images that are of the replay set.
        most_forgotten: By what share of itself REL may rise in other rooms.
        seed: Of everything random.
        topics: Names of topics.
    """

    recordings: tuple[Path, ...]
    test: tuple[Path, ...] = ()
    labels: str = 'auto'
    weights: str = 'embedded'
    minutes: float = 15.0
    steps: int = 0
    frames: int = 600
    replay_data: Path | None = None
    replay_share: float = 0.25
    most_forgotten: float = 0.05
    seed: int = 0
    topics: TopicNames = TopicNames()

    def key(self, weights_file: Path) -> dict[str, Any]:
        """Return all that the result depends on, as plain JSON.

        Args:
            weights_file: The file that `weights` names.
        """
        values = asdict(self)
        for name in ('recordings', 'test'):
            values[name] = [_stat_of(path) for path in getattr(self, name)]
        values['replay_data'] = None if self.replay_data is None else str(self.replay_data)
        values['weights'] = sha256_of(weights_file)
        return values


def sha256_of(path: Path) -> str:
    """Return the hash of a file, or of all files of a folder with their names, in hex."""
    digest = hashlib.sha256()
    for file in _files_of(path):
        if path.is_dir():
            digest.update(str(file.relative_to(path)).encode())
        with file.open('rb') as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _stat_of(path: Path) -> list[Any]:
    stats = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in _files_of(path)]
    return [str(path), hashlib.sha256(repr(stats).encode()).hexdigest()]


def _files_of(path: Path) -> list[Path]:
    files = sorted(path.rglob('*')) if path.is_dir() else [path]
    return [file for file in files if file.is_file()]
