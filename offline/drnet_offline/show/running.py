"""Server, worker and source, from the first line printed to the last frame."""

from __future__ import annotations

import asyncio
import signal
import sys
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drnet_offline.show.hub import Hub
from drnet_offline.show.server import Server
from drnet_offline.show.session import CameraOf, Session
from drnet_offline.show.source import Source
from drnet_offline.show.worker import Worker
from drnet_ros.inference import DepthEstimator, Settings

__all__ = ['ShowOptions', 'show_source']

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Ctrl-C pressed twice, and `timeout`, which sends two signals, mean one end.
_ONE_END_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowOptions:
    """How a source is shown.

    Attributes:
        settings: What to estimate with.
        camera_of: The camera of all images; None for that which each brings along, or the
            assumed one.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        output: Folder of recordings.
        opens_browser: Whether to open the page.
    """

    settings: Settings
    camera_of: CameraOf | None
    host: str
    port: int
    output: Path
    opens_browser: bool


def show_source(source: Source, options: ShowOptions) -> None:
    """Serve the page until the process is interrupted.

    Args:
        source: What is shown; closed at the end.
        options: How.

    Raises:
        DrnetError: The port, the weights, the engine or the source.
        KeyboardInterrupt: Ctrl-C.
    """
    with source:
        is_interrupted = asyncio.run(_serve(source, options))
    if is_interrupted:
        raise KeyboardInterrupt


async def _serve(source: Source, options: ShowOptions) -> bool:
    """Serve until the worker or a signal ends it; return whether it was a signal."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    interrupted = _interruption(loop, ended)
    hub = Hub(loop)
    worker = Worker(
        source,
        lambda: Session(DepthEstimator(options.settings), options.camera_of),
        hub,
        options.output,
        lambda: _call_soon(loop, ended.set),
        lambda problem: print(problem, file=sys.stderr, flush=True),  # noqa: T201 - a command's
    )
    server = Server(worker, hub, options.host)
    try:
        address = await server.start(options.port)
        sys.stdout.write(f'{address}\n')
        sys.stdout.flush()
        worker.start()
        if options.opens_browser:
            # In a thread: some browsers keep the caller waiting.
            await asyncio.to_thread(webbrowser.open, address)
        await ended.wait()
    finally:
        await asyncio.to_thread(worker.stop)
        await server.close()
    if worker.failure is not None:
        raise worker.failure
    return interrupted.is_set()


def _interruption(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> asyncio.Event:
    """Return what the first signal sets, and `ended` too; one a second later ends the process."""
    interrupted = asyncio.Event()
    numbers = [each for each in _SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]

    def default() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)

    def interrupt() -> None:
        if not interrupted.is_set():
            interrupted.set()
            ended.set()
            loop.call_later(_ONE_END_S, default)

    for number in numbers:
        loop.add_signal_handler(number, interrupt)
    return interrupted


def _call_soon(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function)
