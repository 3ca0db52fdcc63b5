"""Serves the page and its WebSocket, to this computer only unless told otherwise."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import secrets
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.resources import files
from urllib.parse import urlsplit

import cv2
import numpy as np
from aiohttp import WSMsgType, web

from drnet_offline.errors import OfflineError
from drnet_offline.show.commands import parse_command
from drnet_offline.show.hub import Hub, Viewer
from drnet_offline.show.worker import Worker
from drnet_ros.errors import one_line
from drnet_ros.inference.depth import colourise

__all__ = ['Server']

_LOCAL_NAMES = ('127.0.0.1', 'localhost', '::1')
_EVERYWHERE = ('0.0.0.0', '::')  # noqa: S104 - what a user may ask for
_PACE_PERIOD_S = 0.5
_MOST_MESSAGE_BYTES = 64 * 1024
_TYPES = {'.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript'}
_HEADERS = {
    'Cache-Control': 'no-store',
    'Content-Security-Policy': (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """The web server of `drnet show`.

    A page of another site can make a browser send requests here. So the Host header must be this
    address (against DNS rebinding), the Origin of a WebSocket must be this page, and where other
    computers can connect, every request must have the token.

    Attributes:
        token: What requests must have, '' on the loopback interface.
    """

    def __init__(self, worker: Worker, hub: Hub, host: str) -> None:
        """Prepare.

        Args:
            worker: What makes the frames.
            hub: Where pages join.
            host: Address to listen on.
        """
        self.token = '' if _is_loopback(host) else secrets.token_urlsafe(16)
        self._worker = worker
        self._hub = hub
        self._host = host
        self._port = 0

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._guarded(request, handler)

        app = web.Application(middlewares=[guarded])
        app.router.add_get('/', self._page)
        app.router.add_get('/socket', self._socket)
        app.router.add_get('/rays/{number}', self._rays)
        app.router.add_get('/colours', self._colours)
        app.router.add_get('/{name}', self._file)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self, port: int) -> str:
        """Listen.

        Args:
            port: The port; 0 takes a free one.

        Returns:
            The address of the page.

        Raises:
            OfflineError: The port is taken, or the host is none of this computer.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, port).start()
        except OSError as error:
            msg = f'cannot listen on {self._host}:{port}: {error.strerror}; name another'
            raise OfflineError(msg) from error
        self._port = self._runner.addresses[0][1]
        # 0.0.0.0 is where it listens, not where others find it.
        named = socket.gethostname() if self._host in _EVERYWHERE else self._host
        host = f'[{named}]' if ':' in named else named
        query = f'?token={self.token}' if self.token else ''
        return f'http://{host}:{self._port}/{query}'

    async def close(self) -> None:
        """Close all connections."""
        await self._runner.cleanup()

    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self.token and request.headers.get('Host', '') not in self._own_names():
            raise web.HTTPForbidden(text='This address is not of this server.\n')
        if self.token and not self._has_token(request):
            raise web.HTTPForbidden(text='Use the address that drnet show has printed.\n')
        origin = request.headers.get('Origin')
        if origin is not None and urlsplit(origin).netloc != request.headers.get('Host'):
            raise web.HTTPForbidden(text='Requests of other sites are refused.\n')
        response = await handler(request)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    def _own_names(self) -> set[str]:
        names = {f'[{name}]' if ':' in name else name for name in (*_LOCAL_NAMES, self._host)}
        return {f'{name}:{self._port}' for name in names} | (names if self._port == 80 else set())

    def _has_token(self, request: web.Request) -> bool:
        given = request.query.get('token', '')
        # Style and scripts are the same for everybody.
        is_public = request.path.endswith(('.css', '.js'))
        return is_public or hmac.compare_digest(given.encode(), self.token.encode())

    async def _page(self, _request: web.Request) -> web.Response:
        return _asset('index.html')

    async def _file(self, request: web.Request) -> web.Response:
        return _asset(request.match_info['name'])

    async def _rays(self, request: web.Request) -> web.Response:
        number = request.match_info['number']
        return web.Response(body=self._worker.rays(int(number) if number.isdecimal() else -1))

    async def _colours(self, _request: web.Request) -> web.Response:
        """Send 256 colours of depth, nearest first, then 256 of uncertainty: RGB bytes."""
        near_to_far = np.linspace(0, 1, 256, dtype=np.float32)[np.newaxis]
        levels = np.arange(256, dtype=np.uint8)[:, np.newaxis]
        uncertain = cv2.applyColorMap(levels, cv2.COLORMAP_MAGMA)[:, 0, ::-1]
        return web.Response(body=colourise(near_to_far, 0.0, 1.0).tobytes() + uncertain.tobytes())

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        # Pictures are JPEG already.
        connection = web.WebSocketResponse(
            max_msg_size=_MOST_MESSAGE_BYTES, heartbeat=10.0, compress=False
        )
        await connection.prepare(request)
        viewer = self._hub.join()
        viewer.outbox.put_nowait(self._worker.state)
        tasks = [asyncio.create_task(self._send(connection, viewer))]
        tasks.append(asyncio.create_task(_send_pace(viewer)))
        try:
            async for message in connection:
                if message.type is WSMsgType.TEXT:
                    self._receive(viewer, message.data)
        finally:
            self._hub.leave(viewer)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return connection

    def _receive(self, viewer: Viewer, text: str) -> None:
        try:
            command = parse_command(text)
        except OfflineError as error:
            problem = {'kind': 'problem', 'problem': one_line(error)}
            viewer.outbox.put_nowait(json.dumps(problem))
            return
        if command.pop('drawn', False):
            self._hub.drawn(viewer)
        if command:
            self._worker.command(command)

    async def _send(self, connection: web.WebSocketResponse, viewer: Viewer) -> None:
        with suppress(ConnectionError):
            while (message := await viewer.outbox.get()) is not None:
                if isinstance(message, bytes):
                    await connection.send_bytes(message)
                else:
                    await connection.send_str(message)
        await connection.close()


async def _send_pace(viewer: Viewer) -> None:
    while True:
        await asyncio.sleep(_PACE_PERIOD_S)
        pace = {'kind': 'pace', 'rate_hz': viewer.rate_hz, 'latency_ms': viewer.latency_ms}
        viewer.outbox.put_nowait(json.dumps(pace))


def _asset(name: str) -> web.Response:
    folder = files('drnet_offline') / 'show' / 'page'
    known = {item.name: item for item in folder.iterdir()}
    suffix = f'.{name.rpartition(".")[2]}'
    if name not in known or suffix not in _TYPES:
        raise web.HTTPNotFound(text='There is no such page.\n')
    return web.Response(
        text=known[name].read_text(encoding='utf-8'), content_type=_TYPES[suffix], charset='utf-8'
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == 'localhost' or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
