"""The OpenVINO model beside new weights, with which a robot runs them without PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drnet_ros.errors import DrnetError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

__all__ = ['write_node_model']


def write_node_model(console: Console, weights: Path) -> None:
    """Write the model and print where it is; the weights stay where that fails.

    Args:
        console: Where to print.
        weights: The weights file, just written.
    """
    # OpenVINO comes with this, after hours in which it would take memory.
    from drnet_ros.inference.engines.openvino_portable import write_portable  # noqa: PLC0415

    try:
        line = f'written {write_portable(weights)}: with it the node needs no PyTorch'
    except DrnetError as error:
        line = f'warning: the node will need PyTorch for {weights.name}: {error}'
    console.print(line, soft_wrap=True, markup=False, highlight=False)
