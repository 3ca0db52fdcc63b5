"""`drnet bag`: recordings in, figures, report and recording out. Only the network is replaced."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from drnet_offline import cli
from drnet_offline.bags import read_depths
from drnet_offline.replay import journal, running
from drnet_offline.replay.headers import read_header
from drnet_offline.replay.matching import match_stamps
from drnet_offline.replay.variants import parse_variants
from drnet_ros.errors import EngineError, RecordingError, SettingsError
from drnet_ros.inference import DepthEstimator, DepthFrame, Frame, Settings
from drnet_ros.inference.camera import rays
from drnet_ros.inference.depth import limit_range, point_cloud
from drnet_ros.inference.engine import Pending
from drnet_ros.inference.recording import Recording

ROS1 = get_typestore(Stores.ROS1_NOETIC)
ROS2 = get_typestore(Stores.LATEST)
START_NS = 1_700_000_000_000_000_000
STEP_NS = 50_000_000
HW = (48, 64)
FOCAL = 60.0

Array = NDArray[Any]


@dataclass(frozen=True)
class Scene:
    """What a bag is written from; depth in millimetres."""

    images: tuple[Array, ...]
    truths: tuple[Array, ...]
    stamps: tuple[int, ...]
    depth_delay_ns: int = 3_000_000
    depth_frame: str = 'optical'
    depth_focal: float | None = None

    @staticmethod
    def make(count: int = 6, hw: tuple[int, int] = HW) -> Scene:
        rng = np.random.default_rng(7)
        images = [rng.integers(0, 255, (*hw, 3), np.uint8) for _ in range(count)]
        truths = []
        for image in images:
            noise = rng.normal(1.1, 0.2, hw).clip(0.5)
            truth = (known_depth(image) * 1000 * noise).astype(np.uint16)
            truth[rng.random(hw) < 0.1] = 0
            truths.append(truth)
        stamps = tuple(START_NS + i * STEP_NS for i in range(count))
        return Scene(tuple(images), tuple(truths), stamps)


def known_depth(rgb: Array) -> NDArray[np.float32]:
    """Depth of the network's stand-in: 1 m and a centimetre for each step of red."""
    depth: NDArray[np.float32] = rgb[..., 0].astype(np.float32) / np.float32(100) + np.float32(1)
    return depth


class KnownPending(Pending):
    def __init__(self, frames: Sequence[Frame], settings: Settings) -> None:
        self._frames, self._settings = frames, settings

    def result(self, timeout_s: float | None = None) -> list[DepthFrame]:  # noqa: ARG002
        return [self._computed(frame) for frame in self._frames]

    def _computed(self, frame: Frame) -> DepthFrame:
        depth = known_depth(frame.rgb_hwc)
        limit_range(depth, self._settings.min_depth, self._settings.max_depth)
        points = None
        if frame.points and frame.camera is not None:
            points = point_cloud(depth, rays(frame.camera), frame.rgb_hwc)
        return DepthFrame(depth, frame.camera, points)


class KnownEstimator(DepthEstimator):
    """Counts frames, and fails at one if told to."""

    count = 0
    fails_at = -1

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()

    def submit(self, frames: Sequence[Frame]) -> Pending:
        if KnownEstimator.count == KnownEstimator.fails_at:
            msg = 'the network must run, got an interruption'
            raise EngineError(msg)
        KnownEstimator.count += 1
        return KnownPending(frames, self.settings)

    def describe(self) -> dict[str, str]:
        return {'engine': 'known', 'network_size': '48x64'}

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _known_network(monkeypatch: pytest.MonkeyPatch) -> None:
    KnownEstimator.count, KnownEstimator.fails_at = 0, -1
    monkeypatch.setattr(running, 'DepthEstimator', KnownEstimator)


@pytest.fixture
def drnet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs `drnet` in this process; gives exit code and what stands on stderr and stdout."""

    def call(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, 'argv', ['drnet', *map(str, words)])
        code: Any = 0
        try:
            cli.main()
        except SystemExit as error:
            code = error.code or 0
        captured = capsys.readouterr()
        return code, ' '.join((captured.err + captured.out).split())

    return call


def message(store: Any, name: str, stamp_ns: int, frame: str, **fields: Any) -> Any:
    types = store.types
    stamp = types['builtin_interfaces/msg/Time'](stamp_ns // 10**9, stamp_ns % 10**9)
    seq = {'seq': 1} if store is ROS1 else {}
    header = types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame, **seq)
    return types[f'sensor_msgs/msg/{name}'](header=header, **fields)


def raw(store: Any, stamp_ns: int, frame: str, encoding: str, pixels: Array) -> Any:
    data = np.frombuffer(np.ascontiguousarray(pixels).tobytes(), np.uint8)
    height, width = pixels.shape[:2]
    fields = {'height': height, 'width': width, 'step': len(data) // height, 'is_bigendian': 0}
    return message(store, 'Image', stamp_ns, frame, encoding=encoding, data=data, **fields)


def info(store: Any, stamp_ns: int, frame: str, hw: tuple[int, int], focal: float) -> Any:
    k = np.array([focal, 0, (hw[1] - 1) / 2, 0, focal, (hw[0] - 1) / 2, 0, 0, 1])
    names = ('D', 'K', 'R', 'P') if store is ROS1 else ('d', 'k', 'r', 'p')
    p = np.array([focal, 0, k[2], 0, 0, focal, k[5], 0, 0, 0, 1, 0])
    values = dict(zip(names, (np.zeros(5), k, np.eye(3).ravel(), p), strict=True))
    region = store.types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, do_rectify=False)
    return message(
        store,
        'CameraInfo',
        stamp_ns,
        frame,
        height=hw[0],
        width=hw[1],
        distortion_model='plumb_bob',
        binning_x=0,
        binning_y=0,
        roi=region,
        **values,
    )


def depth_message(store: Any, stamp_ns: int, scene: Scene, truth: Array, encoding: str) -> Any:
    frame = scene.depth_frame
    if encoding == 'compressedDepth':
        png = cv2.imencode('.png', truth)[1].ravel()
        data = np.concatenate([np.zeros(12, np.uint8), png])
        words = '16UC1; compressedDepth png'
        return message(store, 'CompressedImage', stamp_ns, frame, format=words, data=data)
    if encoding == '32FC1':
        metres = np.where(truth > 0, truth / np.float32(1000), np.nan).astype(np.float32)
        return raw(store, stamp_ns, frame, encoding, metres)
    return raw(store, stamp_ns, frame, encoding, truth)


def messages_of(store: Any, scene: Scene, encoding: str) -> Iterator[tuple[int, str, Any]]:
    depth_topic = '/cam/depth/image_rect'
    if encoding == 'compressedDepth':
        depth_topic += '/compressedDepth'
    for stamp, image, truth in zip(scene.stamps, scene.images, scene.truths, strict=True):
        yield stamp, '/cam/image_raw', raw(store, stamp, 'optical', 'rgb8', image)
        hw = (image.shape[0], image.shape[1])
        yield stamp, '/cam/camera_info', info(store, stamp, 'optical', hw, FOCAL)
        if scene.depth_focal is not None:
            own = info(store, stamp, 'optical', truth.shape, scene.depth_focal)
            yield stamp, '/cam/depth/camera_info', own
        later = stamp + scene.depth_delay_ns
        yield later, depth_topic, depth_message(store, later, scene, truth, encoding)


def write(path: Path, scene: Scene, kind: str = 'mcap', encoding: str = '16UC1') -> Path:
    store = ROS1 if kind == 'ros1' else ROS2
    writer: Any
    if kind == 'ros1':
        path = path.with_suffix('.bag')
        writer = Ros1Writer(path)
    else:
        plugin = StoragePlugin.SQLITE3 if kind == 'sqlite3' else StoragePlugin.MCAP
        writer = Writer(path, version=9, storage_plugin=plugin)
        if kind == 'zstd':
            writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    connections: dict[str, Any] = {}
    recorded_ns = START_NS
    with writer:
        for _, topic, content in messages_of(store, scene, encoding):
            msgtype = content.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, msgtype, typestore=store)
            serialize = store.serialize_ros1 if kind == 'ros1' else store.serialize_cdr
            # In the order of writing, whatever the stamps in the headers are.
            recorded_ns += 1_000_000
            writer.write(connections[topic], recorded_ns, serialize(content, msgtype))
    return path


def figures(estimates: Sequence[Array], truths: Sequence[Array]) -> dict[str, float]:
    """Metrics by their definitions, pixel by pixel, apart from the package's."""
    images, pixels_d, pixels_g = [], [], []
    for estimate, truth in zip(estimates, truths, strict=True):
        valid = (truth > 0) & np.isfinite(estimate)
        d, g = estimate[valid].astype(np.float64), truth[valid] / 1000.0
        images.append(of_pixels(d, g))
        pixels_d.append(d)
        pixels_g.append(g)
    pooled = of_pixels(np.concatenate(pixels_d), np.concatenate(pixels_g))
    means = {n + '_per_image': float(np.mean([each[n] for each in images])) for n in pooled}
    return {**pooled, **means}


def of_pixels(d: Array, g: Array) -> dict[str, float]:
    worse = np.maximum(d / g, g / d)
    return {
        'rmse': float(np.sqrt(np.mean((d - g) ** 2))),
        'rel': float(np.mean(abs(d - g) / g)),
        'log10': float(np.mean(abs(np.log10(d) - np.log10(g)))),
        'delta1': float(np.mean(worse < 1.25)),
        'delta2': float(np.mean(worse < 1.25**2)),
        'delta3': float(np.mean(worse < 1.25**3)),
    }


def load(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.mark.parametrize(
    ('kind', 'encoding'),
    [
        ('mcap', '16UC1'),
        ('zstd', '32FC1'),
        ('sqlite3', 'compressedDepth'),
        ('ros1', '16UC1'),
        ('ros1', 'compressedDepth'),
    ],
)
def test_figures_equal_an_independent_computation(
    tmp_path: Path, drnet: Callable[..., tuple[int, str]], kind: str, encoding: str
) -> None:
    scene = Scene.make()
    bag = write(tmp_path / 'bag', scene, kind, encoding)
    out = tmp_path / 'out.json'
    code, said = drnet('bag', bag, '--json', out, '--set', 'max_depth=3.0')
    assert code == 0, said
    estimates = [np.where(known_depth(i) <= 3, known_depth(i), np.nan) for i in scene.images]
    expected = figures(estimates, scene.truths)
    variant = load(out)['variants'][0]
    for name, value in expected.items():
        assert variant['figures']['full'][name] == pytest.approx(value, rel=1e-5), name
    recorded = [truth > 0 for truth in scene.truths]
    both = sum(np.sum(r & np.isfinite(e)) for r, e in zip(recorded, estimates, strict=True))
    assert variant['coverage'] == pytest.approx(both / sum(np.sum(r) for r in recorded))
    scales = [
        np.median((t / 1000.0 / e)[(t > 0) & np.isfinite(e)])
        for t, e in zip(scene.truths, estimates, strict=True)
    ]
    assert variant['scale']['median'] == pytest.approx(np.median(scales), rel=1e-5)
    rescaled = figures([e * s for e, s in zip(estimates, scales, strict=True)], scene.truths)
    found = variant['figures']['full_scaled']
    assert found['rmse'] == pytest.approx(rescaled['rmse'], rel=1e-5)
    assert found['delta1'] == pytest.approx(rescaled['delta1'], abs=1e-3)
    assert load(out)['frames_matched'] == len(scene.images)
    assert load(out)['images']['rate_hz'] == pytest.approx(20.0)
    assert not (tmp_path / 'out.json.unfinished').exists()


def without_command(path: Path) -> Any:
    return {key: value for key, value in load(path).items() if key != 'command'}


def test_an_interrupted_run_goes_on_to_the_same_result(
    tmp_path: Path, drnet: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = write(tmp_path / 'bag', Scene.make(20))
    arguments = ('--set', 'points=true', '--protocol', 'full', '--protocol', 'eigen')
    assert drnet('bag', bag, '--json', tmp_path / 'whole.json', *arguments)[0] == 0
    assert drnet('bag', bag, '--report', tmp_path / 'whole', *arguments)[0] == 0
    monkeypatch.setattr(journal, '_EVERY_S', 0.0)
    KnownEstimator.count, KnownEstimator.fails_at = 0, 12
    outputs = ['--report', tmp_path / 'r', '--json', tmp_path / 'r.json', *arguments]
    outputs += ['--write', tmp_path / 'r.mcap']
    code, said = drnet('bag', bag, *outputs)
    assert (code, 'got an interruption' in said) == (1, True)
    assert not (tmp_path / 'r.json').exists()
    KnownEstimator.count, KnownEstimator.fails_at = 0, -1
    code, said = drnet('bag', bag, *outputs)
    assert code == 0, said
    assert 'going on after 11 frames' in said
    # One frame before is estimated again: steps from frame to frame need it.
    assert KnownEstimator.count == 20 - 11 + 1
    resumed = without_command(tmp_path / 'r.json')
    assert resumed.pop('topics_left_out') == []
    assert resumed == without_command(tmp_path / 'whole.json')
    whole, again = ((tmp_path / n / 'frames.csv').read_text() for n in ('whole', 'r'))
    assert whole == again
    with Recording(tmp_path / 'r.mcap') as recording:
        assert recording.topics['/drnet/depth/image_rect'].count == 20
    assert not (tmp_path / 'r' / 'unfinished').exists()


@pytest.mark.parametrize('kind', ['mcap', 'ros1'])
def test_the_written_recording_holds_source_and_depth(
    tmp_path: Path, drnet: Callable[..., tuple[int, str]], kind: str
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


def test_two_variants_stand_side_by_side(
    tmp_path: Path, drnet: Callable[..., tuple[int, str]]
) -> None:
    bag = write(tmp_path / 'bag', Scene.make())
    out = tmp_path / 'out.json'
    assert drnet('bag', bag, '--json', out, '--versus', 'max_depth=2.0 lazy=false')[0] == 0
    one, other = load(out)['variants']
    assert (one['name'], other['name']) == ('A: embedded', 'B: max_depth=2.0 lazy=false')
    assert other['settings']['max_depth'] == 2.0
    assert other['coverage'] < 0.7 < one['coverage']


def test_variants_are_read_from_words() -> None:
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


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        (('--image-topic', '/nope'), '/nope must be in the recording'),
        (('--image-topic', '/cam/camera_info'), 'must be of type'),
        (('--depth-topic', '/cam/camera_info'), 'must be of type'),
        (('--set', 'colour=red'), 'must be NAME=VALUE'),
        (('--set', 'max_depth=far'), 'max_depth must have a value of type float'),
        (('--json', '/nowhere/out.json'), 'there is no folder'),
    ],
)
def test_what_cannot_be_done_is_one_line(
    tmp_path: Path, drnet: Callable[..., tuple[int, str]], words: tuple[str, ...], expected: str
) -> None:
    bag = write(tmp_path / 'bag', Scene.make(2))
    code, said = drnet('bag', bag, *words)
    assert code == 1
    assert expected in said
    assert 'Traceback' not in said


def test_an_unknown_protocol_is_wrong_usage(
    tmp_path: Path, drnet: Callable[..., tuple[int, str]]
) -> None:
    bag = write(tmp_path / 'bag', Scene.make(2))
    assert drnet('bag', bag, '--protocol', 'mine')[0] == 2


def test_empty_and_cut_recordings_are_one_line(
    tmp_path: Path, drnet: Callable[..., tuple[int, str]]
) -> None:
    with Writer(tmp_path / 'empty', version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        writer.add_connection('/image', 'sensor_msgs/msg/Image', typestore=ROS2)
    code, said = drnet('bag', tmp_path / 'empty')
    assert (code, 'must have an image topic' in said) == (1, True)
    bag = write(tmp_path / 'bag', Scene.make())
    file = next(bag.glob('*.mcap'))
    file.write_bytes(file.read_bytes()[:-3000])
    code, said = drnet('bag', file)
    assert (code, 'mcap recover' in said) == (1, True)


def test_what_comes_before_damage_is_kept(
    tmp_path: Path, drnet: Callable[..., tuple[int, str]]
) -> None:
    bag = write(tmp_path / 'bag', Scene.make(10, (240, 320)), 'zstd')
    file = next(bag.glob('*.mcap'))
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    file.write_bytes(content)
    out = tmp_path / 'out.json'
    code, said = drnet('bag', bag, '--json', out, '--write', tmp_path / 'out.mcap')
    assert (code, 'must be a readable' in said) == (1, True)
    summary = load(out)
    assert 0 < summary['frames'] < 10
    assert 'must be a readable' in summary['damage']
    with Recording(tmp_path / 'out.mcap') as recording:
        assert recording.topics['/drnet/depth/image_rect'].count == summary['frames']


def warnings_on(tmp_path: Path, drnet: Callable[..., tuple[int, str]], scene: Scene) -> Any:
    out = tmp_path / 'out.json'
    code, said = drnet('bag', write(tmp_path / 'bag', scene), '--json', out)
    assert code == 0, said
    return load(out)


def test_depth_of_another_frame_is_warned_of(
    tmp_path: Path, drnet: Callable[..., tuple[int, str]]
) -> None:
    scene = replace(Scene.make(3), depth_frame='depth_optical')
    summary = warnings_on(tmp_path, drnet, scene)
    assert "depth is of the frame 'depth_optical'" in summary['warnings'][0]
    assert summary['variants'][0]['figures']['full']['n_images'] == 3


def test_depth_of_another_aspect_ratio_is_not_scored(
    tmp_path: Path, drnet: Callable[..., tuple[int, str]]
) -> None:
    scene = Scene.make(3)
    cropped = replace(scene, truths=tuple(truth[:, :50] for truth in scene.truths))
    summary = warnings_on(tmp_path, drnet, cropped)
    assert 'not scored' in summary['warnings'][0]
    assert summary['variants'][0]['figures'] == {}


def test_depth_with_other_intrinsics_is_warned_of(
    tmp_path: Path, drnet: Callable[..., tuple[int, str]]
) -> None:
    summary = warnings_on(tmp_path, drnet, replace(Scene.make(3), depth_focal=1.1 * FOCAL))
    assert 'seems not registered' in summary['warnings'][0]


def test_depth_of_half_the_size_is_the_same_view(
    tmp_path: Path, drnet: Callable[..., tuple[int, str]]
) -> None:
    scene = Scene.make(3)
    halved = replace(scene, truths=tuple(truth[1::2, 1::2] for truth in scene.truths))
    summary = warnings_on(tmp_path, drnet, halved)
    assert 'another size' in summary['warnings'][0]
    assert summary['variants'][0]['figures']['full']['n_images'] == 3


def test_stamps_that_go_back_are_warned_of_and_matched(
    tmp_path: Path, drnet: Callable[..., tuple[int, str]]
) -> None:
    scene = Scene.make(5)
    mixed = replace(scene, stamps=tuple(scene.stamps[i] for i in (0, 2, 1, 3, 4)))
    summary = warnings_on(tmp_path, drnet, mixed)
    assert summary['frames_matched'] == 5
    assert 'do not rise at 1 places' in summary['warnings'][0]


def test_without_depth_there_are_rates_and_steadiness(
    tmp_path: Path, drnet: Callable[..., tuple[int, str]]
) -> None:
    bag = write(tmp_path / 'bag', Scene.make())
    report = tmp_path / 'report'
    assert drnet('bag', bag, '--depth-topic', 'none', '--report', report)[0] == 0
    assert not (report / 'error_map.png').exists()
    assert (report / 'examples.png').exists()
    assert 'Best' not in (report / 'report.html').read_text()


def test_matching_equals_the_slow_way() -> None:
    rng = np.random.default_rng(1)
    images = sorted(rng.integers(0, 2000, 60).tolist())
    depths = rng.integers(0, 2000, 50).tolist()
    expected: dict[int, int] = {}
    gaps = sorted((abs(d - i), a, b) for a, i in enumerate(images) for b, d in enumerate(depths))
    for gap, a, b in gaps:
        if gap <= 20 and a not in expected and b not in expected.values():
            expected[a] = b
    assert match_stamps(images, depths, 20) == dict(sorted(expected.items()))


def test_header_of_either_byte_order() -> None:
    little = bytes([0, 1, 0, 0]) + (7).to_bytes(4, 'little') + (9).to_bytes(4, 'little')
    big = bytes([0, 0, 0, 0]) + (7).to_bytes(4, 'big') + (9).to_bytes(4, 'big')
    assert read_header(little + (4).to_bytes(4, 'little') + b'cam\0') == (7_000_000_009, 'cam')
    assert read_header(big + (4).to_bytes(4, 'big') + b'cam\0') == (7_000_000_009, 'cam')
    with pytest.raises(RecordingError, match='whole header'):
        read_header(little)


CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')


@pytest.mark.skipif(CHROMIUM is None, reason='no chromium to look at the page with')
def test_a_browser_shows_the_page_and_turns_the_cloud(
    tmp_path: Path, drnet: Callable[..., tuple[int, str]]
) -> None:
    bag = write(tmp_path / 'bag', Scene.make(4))
    assert drnet('bag', bag, '--report', tmp_path / 'report')[0] == 0
    page = tmp_path / 'report' / 'report.html'
    text = page.read_text()
    assert 'http://' not in text
    assert 'https://' not in text
    # A drag across the cloud, as a person would: the view must change.
    drag = (
        '<script>const c = document.getElementById("cloud"); const before = c.dataset.view;'
        'c.setPointerCapture = () => {};'
        'for (const [n, x] of [["down", 100], ["move", 200], ["up", 200]]) c.dispatchEvent('
        'new PointerEvent("pointer" + n, {clientX: x, clientY: 50, pointerId: 1}));'
        'requestAnimationFrame(() => requestAnimationFrame(() => { document.title = '
        '[before, c.dataset.view, c.dataset.drawn].join("|"); }));</script>'
    )
    turned = tmp_path / 'turned.html'
    turned.write_text(text.replace('</body>', f'{drag}</body>'))
    dumped = subprocess.run(
        [
            str(CHROMIUM),
            '--headless=new',
            '--no-sandbox',
            '--disable-gpu',
            f'--user-data-dir={tmp_path / "profile"}',
            '--virtual-time-budget=5000',
            '--dump-dom',
            turned.as_uri(),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    title = dumped.partition('<title>')[2].partition('</title>')[0]
    before, after, drawn = title.split('|')
    assert before.startswith('0.350 0.200')
    assert after.startswith('0.950 0.200')
    assert int(drawn) > 1000
    assert dumped.count('<img') == 5
    assert 'data:image/png;base64,' in dumped
