"""Whether weights are of the network that the settings ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drnet_ros.errors import WeightsError

if TYPE_CHECKING:
    from drnet_ros.inference.settings.settings import Settings
    from drnet_ros.network.metadata import WeightsMetadata

__all__ = ['check_network']


def check_network(settings: Settings, metadata: WeightsMetadata) -> None:
    """Refuse weights of another network than the settings name.

    Args:
        settings: `backbone`, `guided_filter`, `correction_kernel` and `weights` are read.
        metadata: What the weights file says of itself.

    Raises:
        WeightsError: They are of another network.
    """
    network = metadata.network
    named = settings.backbone != 'auto'
    wanted = {
        'backbone': settings.backbone if named else network.backbone,
        'guided_filter': settings.guided_filter
        if named or settings.guided_filter
        else network.guided_filter,
        'correction_kernel': settings.correction_kernel or network.correction_kernel,
    }
    for name, value in wanted.items():
        found = getattr(network, name)
        if found != value:
            msg = (
                f'weights {settings.weights!r} must hold a network with {name} {value!r}, got '
                f"{found!r}; give weights of that network, or set backbone to 'auto'"
            )
            raise WeightsError(msg)
