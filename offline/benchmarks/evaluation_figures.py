"""Makes all figures and pictures of docs/evaluation.md anew: one command after new weights.

    .venv/bin/python offline/benchmarks/evaluation_figures.py [--work DIR] --guided GUIDED

Runs the commands that the page shows on tum_fr1_rpy (../shared/data) and the bundled clip, and
writes what they say between the markers of the page. GUIDED are weights with a guided filter,
trained as the page says. It took 30 minutes on two busy cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from page_tables import markdown, write_between_markers

from drnet_offline.datasets.image_files import read_rgb
from drnet_offline.outputs.files import make_folder, write_image

ROOT = Path(__file__).resolve().parents[2]
SEQUENCE = ROOT.parent / 'shared' / 'data' / 'tum_fr1_rpy'
CLIP = ROOT / 'offline' / 'clip' / 'room'
PAGE = ROOT / 'docs' / 'evaluation.md'
PICTURES = ROOT / 'docs' / 'evaluation'
VARIANTS = ('refine_edges=false', 'temporal_filter=1', 'edge_threshold=0.02', 'input_size=192x256')
FOR_ODOMETRY = ('--set', 'refine_edges=false')
ERRORS = ('APE', 'RPE 1 s', 'rotation 1 s')
VO_HEAD = ('depth', f'fr1_rpy: {ERRORS[0]}', *ERRORS[1:], f'clip: {ERRORS[0]}', *ERRORS[1:])
PICTURE_WIDTH = 900
JPEG_QUALITY = 80


def main() -> None:
    """Run everything, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--work', type=Path, default=Path('evaluation_work'))
    parser.add_argument('--guided', type=Path, required=True, help='a .safetensors file')
    options = parser.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    bag = work / 'tum_fr1_rpy.mcap'
    if not bag.exists():
        drnet('tum-to-bag', SEQUENCE, bag)
    guided = options.guided.resolve()
    versus = [word for variant in (*VARIANTS, guided) for word in ('--versus', variant)]
    printed = drnet('bag', bag, '--report', work / 'report', '--json', work / 'bag.json')
    drnet('bag', bag, '--json', work / 'variants.json', *versus)
    for name, path in (('tum', bag), ('clip', CLIP)):
        figures = work / f'vo_{name}.json'
        drnet('vo', path, '--output', work / f'vo_{name}', '--json', figures, *FOR_ODOMETRY)
        ablation = work / f'vo_variants_{name}.json'
        drnet('vo', path, '--method', 'features', '--json', ablation, *versus)
    texts = {
        'bag': f'```\n{printed}\n```',
        'variants': variants_table(load(work / 'variants.json')),
        'vo': vo_table(load(work / 'vo_tum.json'), load(work / 'vo_clip.json')),
        'vo_variants': ablation_table(
            load(work / 'vo_variants_tum.json'), load(work / 'vo_variants_clip.json')
        ),
    }
    plain = {name: text.replace(str(guided), guided.name) for name, text in texts.items()}
    write_between_markers(PAGE, plain)
    for source, name in (
        (work / 'report' / 'examples.png', 'examples'),
        (work / 'report' / 'frames.png', 'frames'),
        (work / 'report' / 'error_by_depth.png', 'error_by_depth'),
        (work / 'vo_clip' / 'paths_features.png', 'paths_clip'),
    ):
        shrink(source, PICTURES / f'{name}.jpg')


def drnet(*words: object) -> str:
    """Run a command of `drnet`, show it, and return what it prints."""
    command = ['drnet', *map(str, words)]
    print('$', *command, flush=True)
    done = subprocess.run(  # noqa: S603 - our own commands
        [str(Path(sys.executable).parent / 'drnet'), *command[1:]],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    return '\n'.join(line for line in lines if line and not line.startswith('written'))


def load(path: Path) -> Any:
    """Read JSON."""
    return json.loads(path.read_text(encoding='utf-8'))


def variants_table(summary: Any) -> str:
    """One row for each variant of `drnet bag`."""
    rows = []
    for variant in summary['variants']:
        plain, scaled = variant['figures']['full'], variant['figures']['full_scaled']
        steady = variant['steadiness']
        rows.append(
            [
                variant['name'],
                f'{plain["rmse"]:.3f}',
                f'{plain["rel"]:.3f}',
                f'{plain["delta1"]:.3f}',
                f'{scaled["delta1"]:.3f}',
                f'{variant["scale"]["median"]:.3f}',
                f'{100 * variant["scale"]["log_std"]:.1f} %',
                f'{steady["step_percent_median"]:.2f} %',
                f'{variant["coverage"]:.1%}',
            ]
        )
    recorded = summary['recorded_depth_steadiness']['step_percent_median']
    rows.append(['recorded depth', *[''] * 6, f'{recorded:.2f} %', ''])
    head = ('', 'RMSE [m]', 'REL', 'd1', 'd1, scaled', 'scale', 'its spread', 'step', 'coverage')
    return markdown(head, rows)


def vo_table(tum: Any, clip: Any) -> str:
    """One row for each method and source of depth."""
    rows = []
    for one, other in zip(tum['paths'], clip['paths'], strict=True):
        label = letter(one['depth'])
        rows.append([one['method'], label, *cells(one), *cells(other)])
    rows.append(
        ['', 'standing still', *cells(tum['standing_still']), *cells(clip['standing_still'])]
    )
    return markdown(('odometry', *VO_HEAD), rows)


def ablation_table(tum: Any, clip: Any) -> str:
    """One row for each variant, of the method `features`."""
    rows = [
        [one['depth'], *cells(one), *cells(other)]
        for one, other in zip(tum['paths'], clip['paths'], strict=True)
    ]
    return markdown(VO_HEAD, rows)


def letter(source: str) -> str:
    """Name a source as the issue does: a, b, c."""
    if source == 'recorded depth':
        return '(a) recorded'
    return '(c) ours, rescaled' if source.endswith('rescaled') else '(b) ours'


def cells(row: Any) -> list[str]:
    """Return APE and RPE of a path."""
    return [
        f'{row["ape_m"] * 1000:.1f} mm',
        f'{row["rpe_m"] * 1000:.1f} mm',
        f'{row["rpe_deg"]:.2f}°',
    ]


def shrink(source: Path, target: Path) -> None:
    """Write a picture as a small JPEG."""
    make_folder(target.parent)
    picture = read_rgb(source)
    height, width = picture.shape[:2]
    if width > PICTURE_WIDTH:
        size = (PICTURE_WIDTH, round(height * PICTURE_WIDTH / width))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    write_image(target, picture, JPEG_QUALITY)


if __name__ == '__main__':
    main()
