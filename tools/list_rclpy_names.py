"""Writes what a version of rclpy has, from its source, for `test/node/test_humble.py`.

git clone --branch humble https://github.com/ros2/rclpy
python tools/list_rclpy_names.py rclpy > test/data/rclpy_humble.json
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Print a JSON object of modules, their names, and what classes and functions have."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('rclpy', type=Path, help='a checkout of ros2/rclpy')
    root = parser.parse_args().rclpy / 'rclpy'
    if not (root / 'rclpy').is_dir():
        parser.error(f'rclpy must be a checkout of ros2/rclpy, got {root.parent}')
    modules = {}
    for path in sorted((root / 'rclpy').rglob('*.py')):
        parts = path.relative_to(root).with_suffix('').parts
        name = '.'.join(parts).removesuffix('.__init__')
        modules[name] = names_of(ast.parse(path.read_text(encoding='utf-8')).body)
    json.dump(modules, sys.stdout, sort_keys=True, separators=(',', ':'))
    print()


def names_of(body: list[ast.stmt]) -> dict[str, Any]:
    """Return the public names of a module or class.

    Returns:
        Of a function the names of its arguments, of a class what it has, of all else None.
    """
    names: dict[str, Any] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names[node.name] = arguments_of(node)
        elif isinstance(node, ast.ClassDef):
            names[node.name] = names_of(node.body)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name: None for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id: None for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.If | ast.Try):
            names |= names_of(node.body)
    return {name: has for name, has in names.items() if name == '__init__' or name[0] != '_'}


def arguments_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Return the names of the arguments, with '**' if it takes any."""
    arguments = function.args
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [each.arg for each in found] + (['**'] if arguments.kwarg else [])


if __name__ == '__main__':
    main()
