"""The command `drnet show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drnet_offline.commands.camera_options import Camera, Fov, camera_for
from drnet_offline.commands.options import Engine
from drnet_offline.commands.recording_options import SetOptions, settings_of

__all__ = ['show']

Source = Annotated[
    str,
    typer.Argument(
        metavar='SOURCE',
        help='Webcam (0, 1, ...), video, image, folder of images, recording, RTSP or HTTP URL.',
    ),
]
ImageTopic = Annotated[
    str | None, typer.Option(help='Images of a recording; default: found by type.')
]
Weights = Annotated[str, typer.Option(help="'embedded' or a .safetensors file.")]
Host = Annotated[
    str,
    typer.Option(
        help='Address to listen on. If other computers can reach it, the page needs a token.'
    ),
]
Port = Annotated[int, typer.Option(min=0, max=65535, help='Port to listen on; 0: a free one.')]
Output = Annotated[Path, typer.Option(help='Folder of what the page records.')]
NoBrowser = Annotated[bool, typer.Option('--no-browser', help='Open no browser.')]


def show(
    source: Source,
    image_topic: ImageTopic = None,
    weights: Weights = 'embedded',
    engine: Engine = 'auto',
    camera: Camera = None,
    fov: Fov = None,
    set_: SetOptions = None,
    host: Host = '127.0.0.1',
    port: Port = 0,
    output: Output = Path(),
    no_browser: NoBrowser = False,
) -> None:
    """Show live depth in the browser: image, depth, uncertainty and cloud.

    The first line printed is the address of the page. Ctrl-C ends the command.
    """
    from drnet_offline.outputs.files import make_folder  # noqa: PLC0415
    from drnet_offline.outputs.stopping import stopping  # noqa: PLC0415
    from drnet_offline.show.opening import open_source  # noqa: PLC0415
    from drnet_offline.show.running import ShowOptions, show_source  # noqa: PLC0415
    from drnet_ros.weights import resolve_weights  # noqa: PLC0415

    settings = settings_of(weights, None, None, set_, engine=engine)
    resolve_weights(settings.weights)
    options = ShowOptions(
        settings=settings,
        camera_of=camera_for(camera, fov),
        host=host,
        port=port,
        output=output,
        opens_browser=not no_browser,
    )
    make_folder(output)
    with stopping(lambda: 'the page is closed'):
        show_source(open_source(source, image_topic), options)
