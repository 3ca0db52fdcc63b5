"""The server of `drnet show`: who is let in, what frames hold, and what pages may ask for."""

from __future__ import annotations

import asyncio
import json
import re
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np
import pytest
from known_scenes import FOCAL, KnownEngine, Scene, known_depth, write

from drnet_offline.show.hub import Hub
from drnet_offline.show.opening import open_source
from drnet_offline.show.server import Server
from drnet_offline.show.session import Session
from drnet_offline.show.worker import Worker
from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.recordings.recording import Recording


class Shown:
    """A recording that is shown with the network's stand-in."""

    def __init__(self, session: aiohttp.ClientSession, address: str, folder: Path) -> None:
        self.session = session
        self.address = address
        self.folder = folder

    async def get(self, path: str = '', **headers: str) -> tuple[int, str]:
        async with self.session.get(self.address + path, headers=headers) as answer:
            return answer.status, await answer.text(errors='replace')


class Socket:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, **command: Any) -> None:
        await self.socket.send_json(command)

    async def frame(self, *, is_drawn: bool = True) -> tuple[dict[str, Any], Any, Any, Any]:
        """Returns header, image, depth and standard deviation of the next frame."""
        message = await self._next(lambda m: m.type is aiohttp.WSMsgType.BINARY)
        if is_drawn:
            await self.send(drawn=True)
        (length,) = struct.unpack('<I', message.data[:4])
        head = json.loads(message.data[4 : 4 + length])
        places = np.cumsum([4 + length, head['jpeg'], head['depth'], head['stddev']])
        jpeg, depth, stddev = np.split(np.frombuffer(message.data, np.uint8), places[:3])[1:]
        shape = head['height'], head['width']
        image = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        assert image is not None
        return (
            head,
            image[..., ::-1],
            depth.view('<u2').reshape(shape),
            stddev.view('<u2').reshape(shape),
        )

    async def text(self, kind: str) -> dict[str, Any]:
        message = await self._next(
            lambda m: m.type is aiohttp.WSMsgType.TEXT and json.loads(m.data)['kind'] == kind
        )
        return dict(json.loads(message.data))

    async def state_where(self, name: str, value: object) -> dict[str, Any]:
        while (state := await self.text('state')).get(name) != value:
            pass
        return state

    async def _next(self, is_wanted: Any) -> Any:
        while True:
            message = await self.socket.receive(timeout=30)
            assert message.type in {aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT}
            if is_wanted(message):
                return message
            if message.type is aiohttp.WSMsgType.BINARY:
                await self.send(drawn=True)


@asynccontextmanager
async def shown(folder: Path, host: str = '127.0.0.1') -> AsyncIterator[Shown]:
    KnownEngine.fails_at = -1
    bag = write(folder / 'bag', Scene.make(6))
    (folder / 'out').mkdir()
    loop = asyncio.get_running_loop()
    hub = Hub(loop)
    with open_source(str(bag)) as source:
        worker = Worker(
            source,
            lambda: Session(DepthEstimator(Settings(), engine=KnownEngine()), None),
            hub,
            folder / 'out',
            lambda: None,
            lambda problem: None,  # noqa: ARG005
        )
        server = Server(worker, hub, host)
        address = await server.start(0)
        worker.start()
        try:
            async with aiohttp.ClientSession() as session:
                yield Shown(session, address, folder / 'out')
        finally:
            await asyncio.to_thread(worker.stop)
            await server.close()
        assert worker.failure is None


@asynccontextmanager
async def connected(server: Shown) -> AsyncIterator[Socket]:
    async with server.session.ws_connect(f'{server.address}socket') as socket:
        yield Socket(socket)


async def body_frames_are_the_estimates(folder: Path) -> None:
    async with shown(folder) as server, connected(server) as socket:
        state = await socket.state_where('problem', '')
        assert state['settings'] == {
            'min_depth': 0.1,
            'max_depth': 10.0,
            'edge_threshold': 0.0,
            'temporal_filter': 0.0,
        }
        known = [known_depth(image) for image in Scene.make(6).images]
        for _ in range(3):
            head, image, depth, stddev = await socket.frame()
            errors = [np.abs(depth / 1000 - each).max() for each in known]
            assert min(errors) < 0.0006, 'millimetres of one of the images'
            assert (stddev > 0).all()
            assert image.shape == (48, 64, 3)
            assert not head['assumed']
            assert head['near'] < np.median(depth) / 1000 < head['far']
        async with server.session.get(f'{server.address}rays/{head["camera"]}') as answer:
            rays = np.frombuffer(await answer.read(), '<f4').reshape(48, 64, 2)
        np.testing.assert_allclose(rays[0, 0], [-31.5 / FOCAL, -23.5 / FOCAL], rtol=1e-6)


async def body_no_work_without_eyes(folder: Path) -> None:
    async with shown(folder) as server:
        await asyncio.sleep(0.5)
        before = KnownEngine.count
        async with connected(server) as socket:
            await socket.frame(is_drawn=False)
            await socket.frame(is_drawn=False)
            await asyncio.sleep(1.0)
            assert KnownEngine.count == before + 2, 'a hidden tab draws nothing and gets no third'
            await socket.send(drawn=True)
            await socket.frame()
        await asyncio.sleep(0.5)
        after = KnownEngine.count
        await asyncio.sleep(1.0)
        assert after == KnownEngine.count, 'the tab is closed'


async def body_strangers_are_refused(folder: Path) -> None:
    async with shown(folder) as server:
        assert (await server.get())[0] == 200
        assert (await server.get(Host='evil.example'))[0] == 403
        assert (await server.get(Host='evil.example:80'))[0] == 403
        assert (await server.get('socket', Origin='http://evil.example'))[0] == 403
        assert (await server.get('server.py'))[0] == 404
        assert (await server.get('%2e%2e%2fserver.py'))[0] == 404
        async with server.session.get(server.address) as answer:
            assert "frame-ancestors 'none'" in answer.headers['Content-Security-Policy']


async def body_others_need_the_token(folder: Path) -> None:
    async with shown(folder, '0.0.0.0') as server:  # noqa: S104
        address, _, query = server.address.partition('?')
        port = address.rsplit(':')[-1].strip('/')
        server.address = f'http://127.0.0.1:{port}/'
        token = query.removeprefix('token=')
        assert len(token) >= 20
        for path in ('', 'socket', 'rays/1', 'colours', '?token=', f'?token={token[:-1]}'):
            assert (await server.get(path))[0] == 403, path
        assert (await server.get(f'?{query}'))[0] == 200
        assert (await server.get('show.js'))[0] == 200
        async with server.session.ws_connect(f'{server.address}socket?{query}') as socket:
            await Socket(socket).frame()


async def body_commands(folder: Path) -> None:
    async with shown(folder) as server, connected(server) as socket:
        await socket.state_where('problem', '')
        await socket.send(set={'max_depth': 2.0, 'min_depth': 1.2})
        state = await socket.state_where('problem', '')
        assert state['settings']['max_depth'] == 2.0
        depth = np.zeros(0)
        for _ in range(4):  # two were under way
            _, _, depth, _ = await socket.frame()
        valid = depth[depth > 0]
        assert valid.size
        assert 1200 <= valid.min() <= valid.max() <= 2000
        for bad, reason in (
            ({'set': {'max_depth': 0.5}}, 'min_depth'),
            ({'set': {'max_depth': float('nan')}}, 'max_depth'),
            ({'set': {'engine': 'torch'}}, 'the page must change only'),
            ({'record': 'exe'}, 'must be one of mp4, mcap'),
            ({'known': {'number': 1, 'x': 2, 'y': 0, 'depth_m': 1}}, 'a known distance must be'),
            ({'known': {'number': 1}}, 'must have number, x, y and depth_m'),
            ({'known': {'number': 999999, 'x': 0, 'y': 0, 'depth_m': 1}}, 'that image is gone'),
        ):
            await socket.send(**bad)
            while reason not in (await socket.text('state'))['problem']:
                pass
        for text in ('{', '[]', '{}', '{"pause": 3}', '{"open": "/etc/passwd"}'):
            await socket.socket.send_str(text)
            assert 'a page must send' in (await socket.text('problem'))['problem']
        await socket.frame()


async def body_a_known_distance_sets_the_scale(folder: Path) -> None:
    async with shown(folder) as server, connected(server) as socket:
        head, _, depth, _ = await socket.frame()
        row, column = 20, 30
        estimated_m = float(depth[row, column]) / 1000
        wanted_m = 1.3 * estimated_m
        place = {'x': (column + 0.5) / 64, 'y': (row + 0.5) / 48}
        await socket.send(known={'number': head['number'], **place, 'depth_m': wanted_m})
        while not head['known']:
            head, _, depth, _ = await socket.frame()
        assert head['known'] == [[place['x'], place['y'], wanted_m]]
        assert head['scale']['points'] == 1
        assert head['scale']['age_s'] == 0
        # One pixel of noise is not believed to the end.
        assert 1.15 * estimated_m < float(depth[row, column]) / 1000 < 1.02 * wanted_m
        factor = head['scale']['factor']
        assert 1.1 < factor < 1.3
        head, _, _, _ = await socket.frame()
        assert head['known'] == [], 'they are of that image alone'
        assert head['scale']['factor'] == pytest.approx(factor, rel=0.1)
        assert head['scale']['points'] == 0
        await socket.send(forget=True)
        while head['scale']['age_s'] is not None:
            head, _, _, _ = await socket.frame()
        assert head['scale']['factor'] == 1.0


async def body_recordings(folder: Path) -> None:
    async with shown(folder) as server, connected(server) as socket:
        for kind in ('mp4', 'mcap'):
            await socket.send(record=kind)
            state = await socket.text('state')
            while not state.get('recording', '').endswith(kind):
                state = await socket.text('state')
            for _ in range(6):
                await socket.frame()
            await socket.send(record='')
            state = await socket.state_where('recording', '')
            (path,) = server.folder.glob(f'*.{kind}')
            assert re.fullmatch(rf'{re.escape(str(path))} \([4-7] images\)', state['saved'])
        (video,) = server.folder.glob('*.mp4')
        capture = cv2.VideoCapture(str(video))
        is_read, frame = capture.read()
        assert is_read
        assert frame.shape[0] == 48
        assert frame.shape[1] > 128, 'image, depth and bar'
        (bag,) = server.folder.glob('*.mcap')
        with Recording(bag) as recording:
            counts = {name: topic.count for name, topic in recording.topics.items()}
            assert len(set(counts.values())) == 1
            assert counts['/camera/depth/image_rect'] >= 4
            message = next(recording.messages(['/camera/camera_info']))
            info = recording.deserialize(message)
            assert (info.k[0], info.width) == (FOCAL, 64)
        assert {path.suffix for path in server.folder.iterdir()} == {'.mp4', '.mcap'}


def wait_for_file(folder: Path, pattern: str) -> None:
    while not list(folder.glob(pattern)):
        time.sleep(0.02)


async def body_a_page_that_is_opened_again(folder: Path) -> None:
    async with shown(folder) as server:
        async with connected(server) as socket:
            await socket.send(record='mcap')
            while not (await socket.text('state')).get('recording'):
                pass
            await socket.frame()
        await asyncio.to_thread(wait_for_file, server.folder, '*.mcap')  # it ends with its page
        async with connected(server) as socket:
            await socket.state_where('recording', '')


BODIES = (
    body_frames_are_the_estimates,
    body_no_work_without_eyes,
    body_strangers_are_refused,
    body_others_need_the_token,
    body_commands,
    body_a_known_distance_sets_the_scale,
    body_recordings,
    body_a_page_that_is_opened_again,
)


@pytest.mark.parametrize('body', BODIES, ids=lambda body: body.__name__.removeprefix('body_'))
def test_the_server(body: Callable[[Path], Coroutine[Any, Any, None]], tmp_path: Path) -> None:
    asyncio.run(asyncio.wait_for(body(tmp_path), 120))
