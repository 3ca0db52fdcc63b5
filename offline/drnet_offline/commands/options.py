"""Options that several commands of `drnet` have."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

__all__ = ['Engine', 'Part', 'ProtocolName']

Engine = Annotated[
    Literal['auto', 'openvino', 'torch'], typer.Option(help='What runs the network.')
]
Part = Literal['all', 'train', 'val', 'test']
ProtocolName = Literal['full', 'eigen', 'rside']
