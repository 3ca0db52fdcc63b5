"""The command `drnet adapt`."""

from __future__ import annotations

import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from drnet_offline.commands.recording_options import (
    CameraInfoTopic,
    DepthTopic,
    ImageTopic,
    SetOptions,
    SourceTopics,
    Weights,
    progress_bars,
    source_topics_of,
)
from drnet_offline.errors import OfflineError
from drnet_offline.training.process import prepare_process

if TYPE_CHECKING:
    from drnet_offline.training.adaptation.plan import AdaptationPlan

__all__ = ['NOT_BETTER', 'adapt']

NOT_BETTER = 3
"""Exit code if the new weights are not better beyond chance."""

Recordings = Annotated[
    list[Path],
    typer.Argument(
        metavar='RECORDING...',
        help='What to learn from: rosbag2, .mcap, .db3, ROS 1 .bag, or a data set with depth.',
    ),
]
Output = Annotated[
    Path, typer.Option(help='Folder for adapted.safetensors, report.html, adaptation.json.')
]
Labels = Annotated[
    Literal['auto', 'depth', 'sparse', 'odometry'],
    typer.Option(
        help='Learn from recorded depth, from a sensor of sparse depth, or from images with '
        'odometry; auto takes the first of these that the recording has.'
    ),
]
Minutes = Annotated[
    float,
    typer.Option(
        min=1.0, max=10080.0, help='About how long the whole run may take; at most a week.'
    ),
]
Steps = Annotated[
    int, typer.Option(min=0, help='Steps of training; 0: as many as the minutes allow.')
]
Frames = Annotated[int, typer.Option(min=40, help='Most frames to learn from.')]
Tests = Annotated[
    list[Path] | None,
    typer.Option(
        '--test',
        metavar='RECORDING',
        help='Recording with depth, never learned from, to score before and after. Repeatable.',
    ),
]
ReplayData = Annotated[
    Path | None,
    typer.Option(
        help='What must not be forgotten: a folder of pictures of other rooms, or a data set with '
        'depth, such as NYU Depth v2. Rendered rooms if it is left out.'
    ),
]
ReplayShare = Annotated[
    float,
    typer.Option(min=0.0, max=0.9, help='Share of the training images that is of --replay-data.'),
]
MostForgotten = Annotated[
    float,
    typer.Option(
        min=0.0,
        help='Largest relative rise of REL in other rooms: 0.05 allows 0.200 to become 0.210. '
        'Pictures without depth only estimate it, by how much their depth changes.',
    ),
]
Seed = Annotated[int, typer.Option(help='Seed of all random numbers.')]


def adapt(
    recordings: Recordings,
    output: Output,
    labels: Labels = 'auto',
    minutes: Minutes = 15.0,
    weights: Weights = 'embedded',
    test: Tests = None,
    replay_data: ReplayData = None,
    replay_share: ReplayShare = 0.25,
    most_forgotten: MostForgotten = 0.05,
    frames: Frames = 600,
    steps: Steps = 0,
    seed: Seed = 0,
    image_topic: ImageTopic = None,
    camera_info_topic: CameraInfoTopic = None,
    depth_topic: DepthTopic = None,
    source_topic: SourceTopics = None,
    set_: SetOptions = None,
) -> None:
    """Adapt the weights to a robot from a recording of it; writes OUTPUT/adapted.safetensors.

    New weights are written only if they are better beyond chance on blocks of time that were held
    out; otherwise the exit code is 3. An interrupted run goes on when it is called again with the
    same arguments.
    """
    from drnet_offline.training.adaptation.plan import AdaptationPlan, TopicNames  # noqa: PLC0415

    sources = tuple(source_topics_of(source_topic).items())
    topics = TopicNames(image_topic, camera_info_topic, depth_topic, sources, tuple(set_ or ()))
    plan = AdaptationPlan(
        recordings=tuple(recordings),
        test=tuple(test or ()),
        labels=labels,
        weights=weights,
        minutes=minutes,
        steps=steps,
        frames=frames,
        replay_data=replay_data,
        replay_share=replay_share,
        most_forgotten=most_forgotten,
        seed=seed,
        topics=topics,
    )
    if not _run(plan, output):
        raise typer.Exit(NOT_BETTER)


def _run(plan: AdaptationPlan, output: Path) -> bool:
    """Run an adaptation; return whether new weights were written."""
    from drnet_offline.outputs.files import make_folder, named_disk  # noqa: PLC0415
    from drnet_offline.outputs.lock import OutputLock  # noqa: PLC0415
    from drnet_offline.outputs.stopping import stopping  # noqa: PLC0415
    from drnet_offline.outputs.unfinished import named_if_deleted  # noqa: PLC0415
    from drnet_offline.training.adaptation.opening import check_sources  # noqa: PLC0415
    from drnet_offline.training.adaptation.plan import WEIGHTS_NAME  # noqa: PLC0415
    from drnet_offline.training.adaptation.state import State  # noqa: PLC0415
    from drnet_ros.weights import resolve_weights  # noqa: PLC0415

    weights_file = resolve_weights(plan.weights)
    check_sources(plan)
    if (output / WEIGHTS_NAME).is_file():
        msg = f'{output} holds {WEIGHTS_NAME} already: name another folder, or delete it'
        raise OfflineError(msg)
    make_folder(output)
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    with ExitStack() as stack:
        stack.enter_context(OutputLock(output))
        stack.enter_context(named_disk(output))
        state = State(output / 'unfinished', plan.key(weights_file))
        progress = stack.enter_context(progress_bars())
        stack.enter_context(named_if_deleted(state.folder))
        stack.enter_context(
            stopping(lambda: f'{state.folder} has what is done: the same command goes on')
        )
        if state.is_resumed:
            progress.console.print(f'going on with {state.folder}', markup=False)
        prepare_process()
        # PyTorch is imported after what can be refused.
        from drnet_offline.training.adaptation.outputs import print_outcome, write_outputs  # noqa: PLC0415
        from drnet_offline.training.adaptation.run import Adaptation  # noqa: PLC0415

        outcome = Adaptation(plan, state, progress).run()
        written = write_outputs(output, plan, outcome, command)
        state.remove()
    print_outcome(Console(soft_wrap=True), outcome, written)
    return outcome.verdict.is_accepted
