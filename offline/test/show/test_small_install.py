"""`drnet show` with what `pip install . ./offline` brings: nothing of the extra 'train'."""

from __future__ import annotations

import subprocess
import sys

from small_install import modules_of

PROGRAM = """
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys(sys.argv[1:]))  # whoever imports one of them fails
import drnet_offline.show
from drnet_offline.commands.recording_options import settings_of
for module in pkgutil.iter_modules(drnet_offline.show.__path__, 'drnet_offline.show.'):
    importlib.import_module(module.name)
print(settings_of('embedded', None, None, ['max_depth=5.0']).max_depth)
"""


def test_nothing_of_the_extra_train_is_needed() -> None:
    modules = modules_of('train')
    assert 'torch' in modules
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM, *modules], capture_output=True, text=True, check=False
    )
    assert done.stdout == '5.0\n', done.stderr
