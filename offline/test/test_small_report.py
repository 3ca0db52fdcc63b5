"""`drnet bag --report` with what the extra 'report' brings: nothing else of the extra 'train'."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from known_scenes import Scene, write
from small_install import modules_of

PROGRAM = """
import sys
sys.modules.update(dict.fromkeys(sys.argv.pop(1).split()))  # whoever imports one of them fails
from drnet_offline.commands.program import main
main()
"""


@pytest.mark.slow
def test_a_report_needs_nothing_else_of_the_extra_train(tmp_path: Path) -> None:
    hidden = modules_of('train') - modules_of('report')
    assert {'torch', 'yaml', 'scipy'} <= hidden
    bag, report = write(tmp_path / 'bag', Scene.make(2)), tmp_path / 'report'
    words = ['bag', bag, '--report', report, '--json', tmp_path / 'figures.json']
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM, ' '.join(hidden), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {'report.html', 'frames.csv', 'examples.png'} <= {p.name for p in report.iterdir()}
