"""What the extras of drnet-offline bring."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ['modules_of']

_PYPROJECT = Path(__file__).parents[2] / 'pyproject.toml'
_MODULES = {'pyyaml': 'yaml'}  # whose name differs from the package's
_OF_THE_NODE = {'safetensors'}  # drnet_ros itself requires it


def modules_of(extra: str) -> set[str]:
    """Return the modules of an extra that nothing else brings."""
    text = _PYPROJECT.read_text(encoding='utf-8')
    listed = text.partition(f'\n{extra} = [')[2].partition(']')[0]
    names = set(re.findall(r"'([\w-]+)'", listed)) - _OF_THE_NODE
    return {_MODULES.get(name, name.replace('-', '_')) for name in names}
