"""The command line of `drnet`."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from importlib.metadata import version
from typing import Annotated, ParamSpec, TypeVar

import typer
from rich.console import Console

from drnet_offline.commands.adapt import adapt
from drnet_offline.commands.bag import bag
from drnet_offline.commands.bench import bench
from drnet_offline.commands.calibrate import calibrate_command
from drnet_offline.commands.doctor import doctor
from drnet_offline.commands.eval import evaluate_command
from drnet_offline.commands.export import export
from drnet_offline.commands.predict import predict
from drnet_offline.commands.show import show
from drnet_offline.commands.train import train
from drnet_offline.commands.tum_to_bag import tum_to_bag
from drnet_offline.commands.vo import vo
from drnet_offline.errors import OfflineError, StoppedError
from drnet_offline.outputs.stopping import stopping
from drnet_ros.errors import DISK_FULL, DrnetError, one_line

__all__ = ['app', 'main']

# As a shell says of a program that Ctrl-C ended.
_STOPPED = 130
# As a shell says of a program that wrote to a pipe without a reader.
_UNREAD = 141
_OWN = {'drnet_offline', 'drnet_ros'}

Arguments = ParamSpec('Arguments')
Result = TypeVar('Result')

app = typer.Typer(
    no_args_is_help=True, invoke_without_command=True, pretty_exceptions_enable=False
)


@app.callback()
def options(
    is_asked: Annotated[bool, typer.Option('--version', help='Show the version.')] = False,
) -> None:
    """Depth in metres from one ordinary camera: try it, judge it, adapt and train the network."""
    if is_asked:
        sys.stdout.write(f'drnet {version("drnet-offline")}\n')
        raise typer.Exit


def _stoppable(command: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return a command that Ctrl-C ends in one line, where the command says nothing better."""

    @wraps(command)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with stopping(lambda: 'nothing is saved: run it again'):
            return command(*args, **kwargs)

    return run


_TRY, _RECORDINGS, _NETWORK = 'Try it', 'Recordings of a robot', 'The network'

app.command(rich_help_panel=_TRY)(show)
app.command(rich_help_panel=_TRY)(_stoppable(predict))
app.command(rich_help_panel=_TRY)(_stoppable(doctor))
app.command(rich_help_panel=_RECORDINGS)(_stoppable(bag))
app.command(rich_help_panel=_RECORDINGS)(_stoppable(vo))
app.command(rich_help_panel=_RECORDINGS)(_stoppable(adapt))
app.command('tum-to-bag', rich_help_panel=_RECORDINGS)(_stoppable(tum_to_bag))
app.command(rich_help_panel=_NETWORK)(_stoppable(train))
app.command('eval', rich_help_panel=_NETWORK)(_stoppable(evaluate_command))
app.command('calibrate', rich_help_panel=_NETWORK)(_stoppable(calibrate_command))
app.command(rich_help_panel=_NETWORK)(_stoppable(bench))
app.command(rich_help_panel=_NETWORK)(_stoppable(export))


def main() -> None:
    """Run the command line.

    The exit code is 0, 1 with one line on a known error, 2 on wrong usage, 3 if `drnet adapt`
    found nothing better, 130 after Ctrl-C, SIGTERM or SIGHUP, or 141 if nobody reads the output
    any more, as in `drnet predict ... | head -1`.
    """
    for stream in (sys.stdout, sys.stderr):
        # A file may have any bytes for a name, and is printed all the same.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    try:
        _run()
    except StoppedError as error:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
        with suppress(OSError):  # the terminal may be gone
            _say('[yellow]stopped:[/]', error)
        sys.exit(_STOPPED)
    except ModuleNotFoundError as error:
        if (error.name or '').partition('.')[0] in _OWN:
            raise
        msg = f"this command needs {error.name}: pip install './offline[train]'"
        _say('[red]error:[/]', OfflineError(msg))
        sys.exit(1)
    except (ImportError, MemoryError) as error:
        if not _is_short_of_memory(error):
            raise
        got = str(error) or 'no memory'
        msg = (
            f'this command needs more memory than it may have, got: {got}; raise the limit '
            '(ulimit -v), or close other programs'
        )
        _say('[red]error:[/]', OfflineError(msg))
        sys.exit(1)
    # OSError: a folder that cannot be made, a disk that is full; its text names the file.
    except (DrnetError, OSError) as error:
        _say('[red]error:[/]', _named(error))
        sys.exit(1)


def _run() -> None:
    """Run the command; one whose output nobody reads any more ends as SIGPIPE ends programs."""
    _check_words(sys.argv[1:])
    try:
        app()
    except SystemExit as error:
        # Typer makes exit code 1 of a broken pipe.
        is_unread = isinstance(error.__context__, BrokenPipeError)
        try:
            if sys.stdout is not None:  # as where a command is started without one
                sys.stdout.flush()
        except BrokenPipeError:
            is_unread = True
        if not is_unread:
            raise
        _discard(1, 2)
        sys.exit(_UNREAD)


def _check_words(words: list[str]) -> None:
    """Refuse empty words: as a path they would be the folder that the command runs in."""
    for word in words:
        if not word or (word.startswith('--') and word.endswith('=')):
            name = word.rstrip('=') or 'an argument'
            msg = f'{name} is empty, as of a shell variable that is not set: say what it is'
            raise OfflineError(msg)


def _discard(*streams: int) -> None:
    """Let what Python still writes to a stream at its end go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream)


def _named(error: Exception) -> Exception:
    """Return an error that says what the system could not do, and with which file."""
    if not isinstance(error, OSError) or error.strerror is None:
        return error
    if error.filename is not None:
        advice = ''
        if isinstance(error, FileNotFoundError):  # what is named on the command line is refused
            advice = ': it was deleted while this command ran; run it again'
        return OfflineError(f'{os.fsdecode(error.filename)}: {error.strerror}{advice}')
    if isinstance(error, FileNotFoundError):  # as of os.getcwd
        return OfflineError('the folder that this command runs in was deleted: go to another')
    if error.errno in DISK_FULL:
        _discard(1)
        return OfflineError(f'what this command prints cannot be written: {error.strerror}')
    return error


def _is_short_of_memory(error: ImportError | MemoryError) -> bool:
    # What the dynamic linker says of a library that does not fit any more.
    return isinstance(error, MemoryError) or 'failed to map segment' in str(error)


def _say(label: str, error: Exception) -> None:
    console = Console(stderr=True, soft_wrap=True)
    console.print(label, end=' ')
    console.print(one_line(error), markup=False, highlight=False)
