"""Writes what is made from the settings: `config/*.yaml` and `docs/parameters.md`.

python -m drnet_ros.inference.settings.docs            write the files of this source tree
python -m drnet_ros.inference.settings.docs --check    exit with 1 if one is out of date
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from drnet_ros.inference.settings.parameter_spec import ParameterSpec, Value
from drnet_ros.inference.settings.settings import PARAMETERS, Settings
from drnet_ros.network.config import PAPER_BACKBONES

__all__ = ['generated_files', 'main', 'params_file']

_COMMAND = 'python -m drnet_ros.inference.settings.docs'
_ROOT = Path(__file__).resolve().parents[3]
_WIDTH = 99
_MADE_BY = f'Made by `{_COMMAND}`; do not edit here.'

_HEADER = f"""\
# Parameters

Made by `{_COMMAND}` from `drnet_ros/inference/settings/fields.py`; do not edit.

These are the parameters of `depth_node`. `drnet_ros.inference.Settings` and `--set NAME=VALUE` of
`drnet` have the same names, defaults and limits.

- *Live* parameters change while the node runs: `ros2 param set /depth_node max_depth 6.0`. The
  others are set at the start and are read-only afterwards.
- `config/depth.yaml` has all defaults. Copy it, edit the copy and start with
  `ros2 launch drnet_ros depth.launch.py params_file:=/path/to/copy.yaml`.
- The other files in `config/` are for the backbones of the paper, without and with guided filter.
  Their weights come from `drnet train`. Their depth is that of the paper: `refine_edges` is off.
- A value of the wrong type, outside its limits, or NaN is refused with a reason.

Some limits involve more than one number:

- `min_depth` must be less than `max_depth`.
- Both sides of `input_size` are 0, or at least 32 with an area of at most 8.4 megapixels.
- Both sides of `output_size` are 0, or positive.
- `cameras` are 1 to 16 different names.
- `rectify` and `image_is_rectified` are not both true.
- `mask` has as many entries as `cameras`, or is `[""]`.
- `point_voxel` is 0, or at least 0.005.
- `scan_min_height` must be less than `scan_max_height`.
- Each of `sparse_depth_extrinsics` has two frames, three coordinates and a unit quaternion.
- Engines `openvino` and `onnxruntime` run on the CPU, `tensorrt` on a GPU; `onnxruntime` and
  `tensorrt` in `fp32` only.
"""


def generated_files() -> dict[str, str]:
    """Return the text of each file made from the settings, by its path in the source tree."""
    files = {'docs/parameters.md': _parameters_page()}
    files['config/depth.yaml'] = params_file(
        Settings(), 'The defaults, with the embedded weights.', _MADE_BY
    )
    for backbone in PAPER_BACKBONES:
        for guided_filter in (False, True):
            name = f'{backbone}_guided' if guided_filter else backbone
            settings = Settings(
                backbone=backbone,
                guided_filter=guided_filter,
                weights=f'{name}.safetensors',
                refine_edges=False,
            )
            filtered = ', with guided filter' if guided_filter else ''
            intent = (
                f'Backbone {backbone} of the paper{filtered}. Train the weights with '
                '`drnet train`, and give their path here or as launch argument '
                'weights:=/path/to/file. Depth is that of the paper: refine_edges is off.'
            )
            files[f'config/{name}.yaml'] = params_file(settings, intent, _MADE_BY)
    return files


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or check them.

    Args:
        arguments: Command-line arguments, or None for those of the process.

    Returns:
        The exit code: 0, or 1 if `--check` found a file that differs.
    """
    parser = argparse.ArgumentParser(prog=_COMMAND, description='Make files from the settings.')
    parser.add_argument('--check', action='store_true', help='only say which are out of date')
    parser.add_argument('--root', type=Path, default=_ROOT, help='source tree to write to')
    options = parser.parse_args(arguments)
    outdated = []
    for name, text in generated_files().items():
        path: Path = options.root / name
        if path.is_file() and path.read_text(encoding='utf-8') == text:
            continue
        outdated.append(name)
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding='utf-8')
    if outdated and options.check:
        sys.stderr.write(f'out of date: {", ".join(outdated)}; run {_COMMAND}\n')
        return 1
    return 0


def _parameters_page() -> str:
    return _HEADER + ''.join(
        f'\n## {group}\n\n'
        '| parameter | type | default | allowed | live | meaning |\n'
        '|---|---|---|---|---|---|\n' + ''.join(_table_row(spec) for spec in specs)
        for group, specs in _groups()
    )


def _table_row(spec: ParameterSpec) -> str:
    cells = (
        f'`{spec.name}`',
        _type_text(spec),
        f'`{_yaml(spec.default)}`',
        spec.range_text,
        'yes' if spec.live else 'no',
        spec.text,
    )
    return '| ' + ' | '.join(cell.replace('|', r'\|') for cell in cells) + ' |\n'


def params_file(settings: Settings, *comments: str) -> str:
    """Return settings as a file that nodes read parameters from.

    Args:
        settings: The settings.
        *comments: What stands above them, a paragraph each.
    """
    lines = [line for text in comments for line in _comment(text, '')]
    lines += ['/**:', '  ros__parameters:']
    for group, specs in _groups():
        lines.append(f'    # {group}')
        for spec in specs:
            allowed = f' Allowed: {spec.range_text}.' if spec.range_text else ''
            live = ' Live.' if spec.live else ''
            lines += _comment(f'{spec.text}{allowed}{live}', '    ')
            lines.append(f'    {spec.name}: {_yaml(getattr(settings, spec.name))}')
        lines.append('')
    return '\n'.join(lines[:-1]) + '\n'


def _groups() -> Iterator[tuple[str, list[ParameterSpec]]]:
    for group in dict.fromkeys(spec.group for spec in PARAMETERS):
        yield group, [spec for spec in PARAMETERS if spec.group == group]


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f'{indent}# ',
        subsequent_indent=f'{indent}# ',
        break_long_words=False,
        break_on_hyphens=False,
    )


def _type_text(spec: ParameterSpec) -> str:
    names = {
        'bool': 'bool',
        'int': 'integer',
        'float': 'double',
        'str': 'string',
        'int_list': 'integer list',
        'str_list': 'string list',
    }
    return names[spec.kind]


def _yaml(value: Value) -> str:
    """Write a value so that YAML, and ROS's reader of it, keep its type."""
    # Strings are quoted as in JSON: a bare 16UC1 is fine, but a bare `on` would become a boolean.
    return json.dumps(list(value) if isinstance(value, tuple) else value)


if __name__ == '__main__':
    sys.exit(main())
