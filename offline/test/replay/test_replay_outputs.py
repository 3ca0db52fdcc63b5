"""What `drnet bag` writes: a recording with our depth, and a report; variants side by side."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, browser
from known_scenes import FOCAL, HW, RunInProcess, Scene, known_depth, load, write
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from drnet_offline.errors import OfflineError
from drnet_offline.evaluation.protocols import PROTOCOLS
from drnet_offline.replay.decoding import read_depths
from drnet_offline.replay.gallery import Picture
from drnet_offline.replay.scores import Scores, score_frame
from drnet_offline.replay.variants import parse_variants
from drnet_offline.report.chart_layout import COLORS
from drnet_offline.report.charts import draw_error_by_depth, draw_error_map
from drnet_offline.report.page import html_table, time_in_words, when_recorded
from drnet_offline.report.pictures import draw_examples
from drnet_ros.errors import SettingsError
from drnet_ros.inference import Settings
from drnet_ros.inference.postprocess.voxels import voxel_points
from drnet_ros.recordings.recording import Recording

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures('known_network')]


@pytest.mark.parametrize('kind', ['mcap', 'ros1'])
def test_the_written_recording_holds_source_and_depth(
    tmp_path: Path, drnet: RunInProcess, kind: str
) -> None:
    scene = Scene.make()
    bag = write(tmp_path / 'bag', scene, kind)
    out = tmp_path / 'out.mcap'
    assert drnet('bag', bag, '--write', out)[0] == 0
    with Recording(bag) as source, Recording(out) as written:
        assert set(source.topics) < set(written.topics)
        for topic in source.topics:
            before = [(m.stamp_ns, m.data) for m in source.messages([topic])]
            assert before == [(m.stamp_ns, m.data) for m in written.messages([topic])]
        depths = list(read_depths(written, '/drnet/depth/image_rect'))
        infos = [written.deserialize(m) for m in written.messages(['/drnet/depth/camera_info'])]
        clouds = [written.deserialize(m) for m in written.messages(['/drnet/points'])]
    assert [stamp for stamp, _ in depths] == list(scene.stamps)
    for image, (stamp, depth), camera, cloud in zip(
        scene.images, depths, infos, clouds, strict=True
    ):
        np.testing.assert_array_equal(depth, known_depth(image))
        assert camera.k[0] == FOCAL
        assert camera.header.stamp.nanosec == stamp % 10**9
        assert (cloud.header.frame_id, cloud.height, cloud.width) == ('optical', *HW)
        assert [field.name for field in cloud.fields] == ['x', 'y', 'z', 'rgb']
        points = np.frombuffer(cloud.data, np.float32).reshape(*HW, 4)
        np.testing.assert_array_equal(points[..., 2], depth)
    assert 'exists already' in drnet('bag', bag, '--write', out)[1]


def test_topics_of_unknown_types_are_left_out_of_the_copy_and_said(
    tmp_path: Path, drnet: RunInProcess
) -> None:
    bag = write(tmp_path / 'bag', Scene.make(2), 'sqlite3')
    store = get_typestore(Stores.LATEST)
    store.register(get_types_from_msg('int32 number', 'mine/msg/Thing'))
    with Writer(tmp_path / 'other', version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        things = writer.add_connection('/thing', 'mine/msg/Thing', typestore=store)
        data = store.serialize_cdr(store.types['mine/msg/Thing'](7), 'mine/msg/Thing')
        writer.write(things, 10**9, data)
    # As a recording of Humble: without the definitions of its types.
    shutil.copy(tmp_path / 'other' / 'other.db3', bag / 'bag_1.db3')
    (bag / 'metadata.yaml').unlink()
    for file in bag.glob('*.db3'):
        with closing(sqlite3.connect(file)) as database:
            database.execute('DELETE FROM message_definitions')
            database.commit()
    code, said = drnet('bag', bag, '--write', tmp_path / 'out.mcap')
    assert code == 0, said
    assert 'not in the copy, since their types are not known: /thing' in said
    with Recording(tmp_path / 'out.mcap') as written:
        assert '/thing' not in written.topics


def test_a_thinned_cloud_is_written_thinned(tmp_path: Path, drnet: RunInProcess) -> None:
    bag, out = write(tmp_path / 'bag', Scene.make(1)), tmp_path / 'out.mcap'
    whole = tmp_path / 'whole.mcap'
    assert drnet('bag', bag, '--write', whole)[0] == 0
    assert drnet('bag', bag, '--write', out, '--set', 'point_voxel=0.2')[0] == 0
    clouds = []
    for path in (whole, out):
        with Recording(path) as written:
            (message,) = written.messages(['/drnet/points'])
            cloud = written.deserialize(message)
        clouds.append(np.frombuffer(cloud.data, np.float32).reshape(cloud.height, -1, 4))
    assert clouds[1].shape[0] == 1
    np.testing.assert_array_equal(clouds[1], voxel_points(clouds[0], 0.2))
    assert clouds[1].shape[1] < clouds[0].size / 8


def test_two_variants_stand_side_by_side(tmp_path: Path, drnet: RunInProcess) -> None:
    bag = write(tmp_path / 'bag', Scene.make())
    out = tmp_path / 'out.json'
    assert (
        drnet('bag', bag, '--json', out, '--versus', 'max_depth=2.0 edge_threshold=0.05')[0] == 0
    )
    one, other = load(out)['variants']
    assert (one['name'], other['name']) == ('A: embedded', 'B: max_depth=2.0 edge_threshold=0.05')
    assert other['settings']['max_depth'] == 2.0
    assert other['coverage'] < 0.7 < one['coverage']


def test_variants_are_read_from_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'mine.safetensors').touch()
    base = Settings(edge_threshold=0.1)
    names = [v.name for v in parse_variants(base, ['mine.safetensors', 'input_size=96x128'])]
    assert names == [
        'A: embedded edge_threshold=0.1',
        'B: mine.safetensors',
        'C: input_size=96x128',
    ]
    other = parse_variants(base, ['input_size=96x128'])[1].settings
    assert (other.input_size, other.edge_threshold) == ((96, 128), 0.1)
    with pytest.raises(SettingsError, match='max_depth'):
        parse_variants(base, ['max_depth=1000.0'])
    assert parse_variants(base, ['max_depth=2.0'] * 25)[-1].name == 'Z: max_depth=2.0'
    with pytest.raises(OfflineError, match='at most 25 others can be compared, got 26'):
        parse_variants(base, ['max_depth=2.0'] * 26)


def test_without_depth_there_are_rates_and_steadiness(tmp_path: Path, drnet: RunInProcess) -> None:
    bag = write(tmp_path / 'bag', Scene.make())
    report = tmp_path / 'report'
    assert drnet('bag', bag, '--depth-topic', 'none', '--report', report)[0] == 0
    assert not (report / 'error_map.png').exists()
    assert (report / 'examples.png').exists()
    page = (report / 'report.html').read_text()
    assert 'Best' not in page
    assert 'Nothing here says how exact the depth is' in page
    # Noise has no corners to follow either: what cannot be measured has no empty tables.
    assert 'Nothing could be measured on these frames.' in page
    assert '<th>scale</th>' not in page
    assert 'What the figures mean' not in page


def test_a_report_says_first_how_exact_depth_is_and_ranks_frames_by_relative_error(
    tmp_path: Path, drnet: RunInProcess
) -> None:
    # The network's stand-in sees 1 m and 3.5 m; recorded are 1.2 m and 3.85 m. By RMSE the first
    # frame would be the best (0.2 against 0.35 m), by REL it is the second (1/6 against 1/11).
    images = tuple(np.full((*HW, 3), red, np.uint8) for red in (0, 250))
    truths = tuple(np.full(HW, depth_mm, np.uint16) for depth_mm in (1200, 3850))
    stamps = (1_700_000_000_000_000_000, 1_700_000_000_050_000_000)
    bag = write(tmp_path / 'bag', Scene(images, truths, stamps))
    assert drnet('bag', bag, '--report', tmp_path / 'report')[0] == 0
    page = (tmp_path / 'report' / 'report.html').read_text()
    verdict = page.partition('<p class="verdict">')[2].partition('</p>')[0]
    assert verdict == (
        'Depth is 12.9 % off on average (REL), and 100 % of the pixels are within 25 % of the '
        'recorded depth (delta1).'
    )
    assert 'with the right scale for each, 0.0 % would remain' in page
    assert '<dd>14 November 2023, 22:13 UTC</dd>' in page
    assert '<h3>best, frame 1, REL 9.1%</h3>' in page
    assert '<h3>worst, frame 0, REL 16.7%</h3>' in page
    assert '{&#x27;' not in page, 'a dict of Python'
    assert '{&quot;' not in page, 'a dict of JSON'


def test_pieces_of_pages() -> None:
    table = html_table(('', 'full', 'empty', '<b>'), [['x', '1', '', '2'], ['', '', '', '3']])
    assert table.count('<th>') == 3
    assert 'empty' not in table
    assert '<th>&lt;b&gt;</th>' in table
    assert time_in_words(1_718_000_000_000_000_000) == '10 June 2024, 06:13 UTC'
    assert time_in_words(5_000_000_000) == ''
    first_ns = 1_718_000_000_000_000_000
    assert when_recorded(first_ns, 'a/room') == '10 June 2024, 06:13 UTC'
    assert when_recorded(first_ns, 'a/b.MP4') == '10 June 2024, 06:13 UTC, by the date of its file'
    assert when_recorded(5, 'a/room') == 'at an unknown time: its clock was not set'


def test_the_map_of_errors_stands_in_the_middle_of_its_chart() -> None:
    scores = Scores([PROTOCOLS['full']])
    scores.arrays['map'][:] = 0.5
    figure = draw_error_map([scores], ['embedded'])
    figure.draw_without_rendering()
    picture, bar = (axis.get_tightbbox() for axis in figure.axes)
    assert picture is not None
    assert bar is not None
    whole = figure.bbox.width
    assert picture.x0 == pytest.approx(whole - bar.x1, abs=0.02 * whole)
    assert 0 < bar.x0 - picture.x1 < 0.1 * whole, 'the bar stands beside it'


def test_pictures_say_what_they_show() -> None:
    rgb, depth = np.zeros((*HW, 3), np.uint8), np.ones(HW, np.float32)
    picture = Picture(3, rgb, None, depth, (depth, depth))
    frames = [('best', picture), ('worst', picture)]
    figure = draw_examples(frames, ['A', 'B'])
    titles = [axis.get_title() for axis in figure.axes]
    head = ['image', 'recorded depth', 'A', 'error: A', 'B', 'error: B']
    # Two rows and two colour bars: the first row has the titles.
    assert titles == head + [''] * (len(head) + 2)
    assert [axis.get_ylabel() for axis in figure.axes[:12:6]] == ['best', 'worst']


def test_more_variants_than_colors_are_all_drawn() -> None:
    names = [f'variant {number}' for number in range(len(COLORS) + 2)]
    scores = [Scores([PROTOCOLS['full']]) for _ in names]
    for each in scores:
        score_frame(each, np.full(HW, 1.1, np.float32), np.ones(HW, np.float32))
    figure = draw_error_by_depth(scores, names)
    assert [line.get_label() for line in figure.axes[0].get_lines()] == names


class Scripts(HTMLParser):
    """What a browser takes for scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._is_inside = False

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        self._is_inside = tag == 'script'
        if self._is_inside:
            self.texts.append('')

    def handle_endtag(self, _tag: str) -> None:
        self._is_inside = False

    def handle_data(self, data: str) -> None:
        if self._is_inside:
            self.texts[-1] += data


def test_a_variant_may_be_called_as_what_ends_a_script(
    tmp_path: Path, drnet: RunInProcess, weights: Path
) -> None:
    bag = write(tmp_path / 'bag', Scene.make(4))
    named = tmp_path / 'a<!--<script>b<' / 'script>.safetensors'  # "</script>" in a path
    named.parent.mkdir()
    shutil.copy(weights, named)
    assert drnet('bag', bag, '--report', tmp_path / 'report', '--versus', named)[0] == 0
    page = (tmp_path / 'report' / 'report.html').read_text()
    scripts = Scripts()
    scripts.feed(page)
    (script,) = scripts.texts
    assert '<!--' not in script
    given = script.rpartition('document.getElementById("choices"), ')[2]
    assert given.endswith(');')
    names = [cloud['name'] for cloud in json.loads(given.removesuffix(');'))['clouds']]
    assert names == ['recorded', 'A: embedded', f'B: {named}']


@pytest.mark.skipif(CHROMIUM is None, reason='no chromium to look at the page with')
def test_a_browser_shows_the_page_and_turns_the_cloud(tmp_path: Path, drnet: RunInProcess) -> None:
    bag = write(tmp_path / 'bag', Scene.make(4))
    assert drnet('bag', bag, '--report', tmp_path / 'report')[0] == 0
    page = tmp_path / 'report' / 'report.html'
    text = page.read_text()
    assert 'http://' not in text
    assert 'https://' not in text
    # Three frames with image, recorded depth, estimate and error; the charts; the thumbnail.
    assert text.count('<figure>') == 3 * 4
    assert text.count('<img') == 3 * 4 + text.count('<picture') + 1
    assert 'data:image/png;base64,' in text
    asyncio.run(turn_the_cloud(tmp_path, page))


async def turn_the_cloud(folder: Path, page: Path) -> None:
    async with browser(folder / 'profile') as tab:
        await tab.show(500, 900, dark=False)
        await tab.open(page.as_uri())
        view = 'document.querySelector("#cloud").dataset.view'
        before = await tab.until(view)
        assert before.startswith('0.350 0.200')
        assert await tab.until('Number(document.querySelector("#cloud").dataset.drawn)') > 1000
        await tab.drag('#cloud', (0.3, 0.5), 100)
        assert (await tab.until(f'{view} !== "{before}" && {view}')).startswith('0.950 0.200')
        wide = await tab.value('document.documentElement.scrollWidth')
        assert wide <= 500, 'the page must not be wider than a narrow window'
        assert not tab.errors
