"""What a run over a recording is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drnet_offline.replay.sparse_topics import SparseTopics

if TYPE_CHECKING:
    from drnet_offline.evaluation.protocols import Protocol
    from drnet_offline.replay.index import Index
    from drnet_offline.replay.variants import Variant

__all__ = ['Task']


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked for.

    Attributes:
        variants: What estimates depth; the first one ranks frames, and is written.
        protocols: Which pixels count; the first one ranks frames.
        writes: Whether messages are kept for an output recording.
        sparse_topics: Where the sources of sparse depth of all variants are recorded.
    """

    variants: tuple[Variant, ...]
    protocols: tuple[Protocol, ...]
    writes: bool = False
    sparse_topics: SparseTopics = field(default_factory=SparseTopics)

    def key(self, index: Index) -> dict[str, Any]:
        """Return all that the results on a recording depend on, as plain JSON."""
        path = index.recording.path
        files = sorted(path.rglob('*')) if path.is_dir() else [path]
        choice = index.choice
        return {
            'recording': [
                [str(file), file.stat().st_size, file.stat().st_mtime_ns]
                for file in files
                if file.is_file()
            ],
            'topics': [choice.image, choice.camera_info, choice.depth],
            'sparse_topics': [dict(self.sparse_topics.by_source), *self.sparse_topics.transforms],
            'variants': [[v.name, v.fingerprint()] for v in self.variants],
            'protocols': [protocol.name for protocol in self.protocols],
            'tolerance_s': index.tolerance_s,
            'writes': self.writes,
        }
