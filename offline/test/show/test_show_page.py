"""`drnet show` as a person sees it: the real program, its page in a real browser, and Ctrl-C."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser import CHROMIUM, Page, browser
from http_files import serve

pytestmark = pytest.mark.slow

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason='no chromium to look at the page with')

DRNET = Path(sys.executable).parent / 'drnet'


def write_video(path: Path) -> Path:
    """Writes two seconds of a camera that moves over a picture."""
    scene = np.random.default_rng(3).integers(0, 255, (20, 30, 3), np.uint8)
    scene = cv2.resize(scene, (960, 640), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10, (320, 240))
    for step in range(20):
        writer.write(np.ascontiguousarray(scene[step * 8 :, step * 16 :][:240, :320]))
    writer.release()
    return path


@contextmanager
def showing(*words: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Runs `drnet show`; gives the process and the first line it prints."""
    command: list[str | Path] = [DRNET, 'show', *map(str, words), '--no-browser']
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            if process.poll() is None:
                process.kill()


async def look(page: Page, address: str, output: Path) -> None:
    await page.show(1280, 900, dark=False)
    await page.open(address)
    await page.until('document.body.dataset.frame > 2')
    for view in ('image', 'depth', 'stddev'):
        colours = await page.value(
            f'(() => {{ const c = document.querySelector("[data-view={view}] canvas");'
            'const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;'
            'return [c.width, c.height, new Set(new Uint32Array(d.buffer)).size]; })()'
        )
        assert colours[:2] == [320, 240], view
        assert colours[2] > 5, view
    bar = await page.value('document.querySelector("#depth-bar ol").innerText')
    depths = [float(text) for text in re.findall(r'([\d.]+) m', bar)]
    assert len(depths) == 6
    assert depths == sorted(depths)
    await page.until('document.querySelector("#cloud canvas").dataset.points == 76800')
    turned = await page.value('document.querySelector("#cloud canvas").dataset.view')
    await page.until(f'document.querySelector("#cloud canvas").dataset.view != "{turned}"')
    await page.mouse('move', '[data-view=depth] canvas', 0.4, 0.6)
    await page.until(
        r'/^\d+\.\d\d m ± \d+\.\d\d m$/.test(document.querySelector("#pointer").innerText)'
    )
    await page.until('/frames/.test(document.querySelector("#rate").innerText)')
    await page.until('/ms/.test(document.querySelector("#latency").innerText)')
    await pin_the_scale(page)
    await page.value('document.querySelector("#record-mp4").click()')
    await page.until('!document.querySelector("#recording").hidden')
    frame = await page.value('document.body.dataset.frame')
    await page.until(f'document.body.dataset.frame > {frame} + 3')
    await page.value('document.querySelector("#record-mp4").click()')
    await page.until('document.querySelector("#recording").hidden')
    (video,) = recorded(output)
    said = await page.value('document.querySelector("#saved").innerText')
    assert re.fullmatch(rf'Saved to {re.escape(str(video))} \(\d+ images\)', said)
    runs = await page.value('document.querySelector("#runs").innerText')
    assert re.search(r' at 384 \S 288 pixels, ', runs), 'width first, as for the image'
    assert cv2.VideoCapture(str(video)).read()[0]
    for width in (1280, 500):
        await page.show(width, 900, dark=width == 500)
        wide = await page.value('document.documentElement.scrollWidth')
        assert wide <= width, 'nothing is cut off'
    assert not page.errors


def recorded(folder: Path) -> list[Path]:
    return list(folder.glob('*.mp4'))


async def pin_the_scale(page: Page) -> None:
    await page.value('document.querySelector("#metres").value = "0.50"')
    await page.value('document.querySelector("#pause").click()')
    await page.until('document.querySelector("#status").innerText == "paused"')
    await asyncio.sleep(1)  # frames under way
    await page.value('document.querySelector("#pick").click()')
    await page.mouse('click', '[data-view=image] canvas', 0.5, 0.5)
    await page.until('document.querySelectorAll(".mark").length == 3')
    said = await page.value('document.querySelector("#scale").innerText')
    assert re.match(
        r'Depth is multiplied by [\d.]+ \(±\s\d+\s%\), from the distance that you gave just now',
        said,
    )
    under = await page.value('document.querySelector("#pointer").innerText')
    assert float(under.split()[0]) == pytest.approx(0.5, rel=0.06)
    await page.value('document.querySelector("#forget").click()')
    await page.until('document.querySelectorAll(".mark").length == 0')
    await page.value('document.querySelector("#pause").click()')


@needs_browser
def test_a_video_in_a_browser(tmp_path: Path) -> None:
    video = write_video(tmp_path / 'clip.mp4')

    async def run(address: str) -> None:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            async with browser(Path(profile)) as page:
                await look(page, address, tmp_path / 'out')

    with showing(video, '--output', tmp_path / 'out') as (process, address):
        assert re.fullmatch(r'http://127\.0\.0\.1:\d+/', address)
        asyncio.run(run(address))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert errors == 'stopped: the page is closed\n'


@needs_browser
def test_a_lost_camera_is_not_live(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(
        str(tmp_path / 'a.avi'), cv2.VideoWriter.fourcc(*'MJPG'), 10, (320, 240)
    )
    for shade in range(0, 200, 10):
        writer.write(np.full((240, 320, 3), shade, np.uint8))
    writer.release()
    server = serve(tmp_path)
    port = server.server_address[1]

    async def run(address: str) -> None:
        status = 'document.querySelector("#status").innerText'
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            async with browser(Path(profile)) as page:
                await page.open(address)
                await page.until(f'{status} == "live"')
                server.shutdown()
                server.server_close()
                await page.until(f'{status} == "no new images"')
                again = serve(tmp_path, port)
                await page.until(f'{status} == "live"')
                again.shutdown()
                again.server_close()

    with showing(f'http://127.0.0.1:{port}/a.avi') as (process, address):
        asyncio.run(run(address))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_two_signals_in_a_row_are_one_line(tmp_path: Path, number: signal.Signals) -> None:
    with showing(write_video(tmp_path / 'clip.mp4')) as (process, address):
        assert address.startswith('http')
        for _ in range(2):  # the network is being loaded
            process.send_signal(number)
            time.sleep(0.05)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (130, 'stopped: the page is closed\n')


def test_what_cannot_be_shown_is_one_line(tmp_path: Path) -> None:
    with showing(tmp_path / 'gone.mp4') as (process, line):
        _, errors = process.communicate(timeout=60)
        assert line == ''
        assert process.returncode == 1
        assert errors.startswith('error: there is no ')
        assert errors.count('\n') == 1
