"""A folder, served over HTTP as python3 -m http.server does: without range requests."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

__all__ = ['Files', 'serve']


class Files(SimpleHTTPRequestHandler):
    """Serves the folder and remembers what was asked for.

    Attributes:
        requests: Path of each request, of all servers.
    """

    requests: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Send a file."""
        self.requests.append(self.path)
        super().do_GET()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


def serve(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """Serve a folder from a thread of its own.

    Args:
        folder: The folder.
        port: Port on this machine; 0 takes a free one.

    Returns:
        The server, for the caller to shut down and close.
    """
    server = ThreadingHTTPServer(('127.0.0.1', port), partial(Files, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
