"""A real headless Chromium, driven through its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
OPTIONS = (
    *('--headless=new', '--no-sandbox', '--remote-debugging-port=0', '--no-first-run'),
    *('--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--hide-scrollbars'),
)


class Page:
    """A tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)
        self.errors: list[str] = []

    async def call(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        await self._socket.send_json({'id': number, 'method': method, 'params': params})
        while True:
            message = await self._socket.receive_json(timeout=60)
            if message.get('method') == 'Runtime.exceptionThrown':
                self.errors.append(json.dumps(message['params']))
            if message.get('method') == 'Log.entryAdded':
                entry = message['params']['entry']
                if entry['level'] == 'error':
                    self.errors.append(entry['text'])
            if message.get('id') == number:
                assert 'error' not in message, message
                return message['result']

    async def value(self, script: str) -> Any:
        """Evaluates a script and returns its value."""
        answer = await self.call(
            'Runtime.evaluate', expression=script, returnByValue=True, awaitPromise=True
        )
        assert 'exceptionDetails' not in answer, answer
        return answer['result'].get('value')

    async def until(self, script: str, timeout_s: float = 60) -> Any:
        """Waits until a script has a true value, and returns it."""
        for _ in range(round(timeout_s / 0.1)):
            if value := await self.value(script):
                return value
            await asyncio.sleep(0.1)
        text = await self.value('document.body?.innerText')
        return pytest.fail(f'never true: {script}; the page says {text}')

    async def open(self, address: str) -> None:
        await self.call('Runtime.enable')
        await self.call('Log.enable')
        await self.call('Page.enable')
        await self.call('Page.navigate', url=address)
        await self.until('document.readyState === "complete" && location.protocol !== "about:"')

    async def show(self, width: int, height: int, *, dark: bool) -> None:
        """Sets the window's size and the colour scheme."""
        await self.call(
            'Emulation.setDeviceMetricsOverride',
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = 'dark' if dark else 'light'
        features = [{'name': 'prefers-color-scheme', 'value': scheme}]
        await self.call('Emulation.setEmulatedMedia', features=features)

    async def screenshot(self) -> bytes:
        """Returns the whole page as PNG."""
        answer = await self.call('Page.captureScreenshot', captureBeyondViewport=True)
        return base64.b64decode(answer['data'])

    async def mouse(self, kind: str, selector: str, x: float, y: float) -> None:
        """Moves to a place of an element, given as shares of its size; kind 'click' clicks it."""
        place = await self._place(selector, x, y)
        await self.call('Input.dispatchMouseEvent', type='mouseMoved', **place)
        if kind == 'click':
            for each in ('mousePressed', 'mouseReleased'):
                await self._button(each, place)

    async def drag(self, selector: str, start: tuple[float, float], dx: float) -> None:
        """Drags a place of an element, given as shares of its size, to the right by pixels."""
        place = await self._place(selector, *start)
        await self.call('Input.dispatchMouseEvent', type='mouseMoved', **place)
        for each in ('mousePressed', 'mouseMoved', 'mouseReleased'):
            if each == 'mouseMoved':
                place['x'] += dx
            await self._button(each, place)

    async def _place(self, selector: str, x: float, y: float) -> dict[str, float]:
        box = await self.value(
            f'(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView();'
            'const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })()'
        )
        return {'x': box[0] + x * box[2], 'y': box[1] + y * box[3]}

    async def _button(self, kind: str, place: dict[str, float]) -> None:
        await self.call(
            'Input.dispatchMouseEvent', type=kind, button='left', clickCount=1, **place
        )


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Page]:
    """Starts Chromium with one empty tab."""
    process = await asyncio.create_subprocess_exec(
        str(CHROMIUM),
        *OPTIONS,
        f'--user-data-dir={profile}',
        'about:blank',
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port_file = profile / 'DevToolsActivePort'
        for _ in range(600):
            if port_file.exists() and len(port_file.read_text().split()) == 2:
                break
            await asyncio.sleep(0.1)
        port = port_file.read_text().split()[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f'http://127.0.0.1:{port}/json/list') as answer:
                tabs = await answer.json()
            address = next(tab['webSocketDebuggerUrl'] for tab in tabs if tab['type'] == 'page')
            async with session.ws_connect(address, max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        process.terminate()
        await process.wait()
