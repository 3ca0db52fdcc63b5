"""The command `drnet predict`."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from drnet_offline.commands.camera_options import Camera, Fov, camera_for, describe_camera
from drnet_offline.commands.options import Engine
from drnet_ros.errors import one_line
from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.weights import resolve_weights

if TYPE_CHECKING:
    from drnet_offline.outputs.inputs import Input
    from drnet_offline.outputs.prediction import Prediction
    from drnet_offline.outputs.problems import Problems

__all__ = ['predict']


Sources = Annotated[
    list[Path], typer.Argument(metavar='SOURCE...', help='Images, videos, or folders of them.')
]
Output = Annotated[
    Path,
    typer.Option(
        help='Folder for STEM.png and STEM.preview.jpg of images, STEM/ and STEM.preview.mp4 '
        'of videos.'
    ),
]
Weights = Annotated[str, typer.Option(help="'embedded' or a .safetensors file.")]
Ply = Annotated[
    bool, typer.Option('--ply', help='Also write the point clouds of images: STEM.ply.')
]
Again = Annotated[bool, typer.Option('--again', help='Also estimate what is done already.')]


def predict(
    sources: Sources,
    output: Output,
    weights: Weights = 'embedded',
    camera: Camera = None,
    fov: Fov = None,
    ply: Ply = False,
    engine: Engine = 'auto',
    again: Again = False,
) -> None:
    """Write the depth of images and videos: 16-bit PNG in millimetres, 0 where invalid."""
    from drnet_offline.outputs.files import make_folder  # noqa: PLC0415
    from drnet_offline.outputs.inputs import find_inputs  # noqa: PLC0415
    from drnet_offline.outputs.lock import OutputLock  # noqa: PLC0415
    from drnet_offline.outputs.prediction import Prediction  # noqa: PLC0415
    from drnet_offline.outputs.problems import Problems  # noqa: PLC0415

    camera_of = camera_for(camera, fov)
    found = find_inputs(sources)
    make_folder(output)
    problems = Problems()
    problems.lines += map(one_line, found.unread)
    settings = Settings(weights=weights, engine=engine)
    made_with = {'weights': _hash_of(weights), 'camera': describe_camera(camera, fov)}
    with OutputLock(output), DepthEstimator(settings) as estimator:
        prediction = Prediction(estimator, output, camera_of, ply, made_with)
        left = [each for each in found.inputs if again or not prediction.is_done(each)]
        said = found.describe_others()
        if skipped := len(found.inputs) - len(left):
            said = f'{said}; {skipped} done already; --again does them once more'.lstrip('; ')
        _predict_all(prediction, left, said, problems)
    count = len(found.inputs) + len(found.unread)
    problems.check(f'{len(problems.lines)} of {count} inputs have no depth, or not all of it')


def _hash_of(weights: str) -> str:
    return hashlib.sha256(resolve_weights(weights).read_bytes()).hexdigest()


def _predict_all(
    prediction: Prediction, inputs: list[Input], said: str, problems: Problems
) -> None:
    from drnet_offline.outputs.stopping import stopping  # noqa: PLC0415

    console = Console(stderr=True, soft_wrap=True)
    if said:
        console.print(said, markup=False, highlight=False)
    done = 0
    written: list[Input] = []
    with (
        stopping(lambda: f'after {done} of {len(inputs)}; the same command does the others'),
        Progress(console=console) as progress,
    ):
        whole = progress.add_task('depth', total=len(inputs))
        for item in inputs:
            frames = progress.add_task(item.path.name, visible=False)
            with problems.collected():
                line = prediction.predict(item, partial(_show, progress, frames))
                done += 1
                written.append(item)
                console.print(line, markup=False, highlight=False)
            progress.remove_task(frames)
            progress.advance(whole)
    for item in written:
        with problems.collected():
            prediction.check_kept(item)


def _show(progress: Progress, task: TaskID, count: int, total: int) -> None:
    progress.update(task, completed=count, total=total or None, visible=True)
