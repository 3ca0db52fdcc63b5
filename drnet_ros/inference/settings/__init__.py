"""All parameters: `fields` defines them, `rules` says which go together, `settings` holds them."""

from drnet_ros.inference.settings.fields import Size
from drnet_ros.inference.settings.parameter_spec import ParameterSpec
from drnet_ros.inference.settings.settings import PARAMETERS, Settings

__all__ = ['PARAMETERS', 'ParameterSpec', 'Settings', 'Size']
