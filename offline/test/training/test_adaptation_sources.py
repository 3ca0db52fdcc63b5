"""What an adaptation learns from: recorded, projected and pinned depth, and corners."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from known_scenes import FOCAL, HW, KnownEngine, Scene, known_depth, write
from recorded_sensors import CX, EXTRINSICS, FACTOR, odometry, scan, slanted_wall, with_scans

from drnet_offline.errors import DatasetError
from drnet_offline.training.adaptation import pinned
from drnet_offline.training.adaptation.opening import open_source
from drnet_offline.training.adaptation.plan import AdaptationPlan, TopicNames
from drnet_offline.training.adaptation.projected import ProjectedDepth, project_depth
from drnet_offline.training.adaptation.sources import RecordedDepth, check_camera
from drnet_offline.training.adaptation.trajectory import place_corners
from drnet_offline.training.adaptation.views import Views
from drnet_ros.inference import DepthEstimator, Settings, SparseDepth
from drnet_ros.inference.camera import CameraModel

CLIP = Path(__file__).parents[2] / 'clip' / 'room'
TRUTH = FACTOR * known_depth(slanted_wall().images[0])


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def known_estimator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a network whose depth is known in the place of the old weights."""

    def make(settings: Settings) -> DepthEstimator:
        return DepthEstimator(settings, engine=KnownEngine())

    monkeypatch.setattr(pinned, 'DepthEstimator', make)


def plan_of(path: Path, **topics: object) -> AdaptationPlan:
    return AdaptationPlan((path,), topics=TopicNames(**topics))  # type: ignore[arg-type]


def test_what_is_odd_about_a_recording_is_told(tmp_path: Path, opened: ExitStack) -> None:
    scene = slanted_wall()
    mixed = replace(scene, stamps=tuple(scene.stamps[i] for i in (0, 2, 1, 3, 4, 5)))
    bag = write(tmp_path / 'bag', mixed)
    assert open_source(bag, plan_of(bag), 'depth', opened).warnings == [
        'stamps of images do not rise at 1 places',
        'stamps of depth images do not rise at 1 places',
    ]


def test_recorded_depth_is_the_label_as_it_is(tmp_path: Path, opened: ExitStack) -> None:
    scene = slanted_wall()
    bag = write(tmp_path / 'bag', scene)
    source = open_source(bag, plan_of(bag), 'auto', opened)
    assert isinstance(source, RecordedDepth)
    assert source.may_have_label(np.arange(6)).all()
    images = list(source.images())
    assert [position for position, _, _ in images] == list(range(6))
    frames = list(source.frames({1: -1, 4: 2}))
    assert [(f.position, f.block) for f in frames] == [(1, -1), (4, 2)]
    assert frames[0].focal_px == 60.0
    np.testing.assert_allclose(frames[0].depth_hw, scene.truths[1] / 1000, rtol=1e-6)
    np.testing.assert_array_equal(frames[0].rgb_hwc, scene.images[1])


@pytest.mark.usefixtures('known_estimator')
def test_a_scan_pins_the_depth_of_the_old_weights(tmp_path: Path, opened: ExitStack) -> None:
    bag = write(tmp_path / 'bag', with_scans())
    source = open_source(bag, plan_of(bag), 'sparse', opened)
    assert source.kind == 'sparse'
    assert source.labels == 'depth scaled by scan'
    frames = list(source.frames({0: -1, 3: -1, 5: 0}))
    assert [frame.position for frame in frames] == [0, 3, 5]
    for frame in frames:
        # The old weights alone are wrong by the factor 1.4 everywhere.
        np.testing.assert_allclose(frame.depth_hw, TRUTH, rtol=0.03)
        assert frame.weight_hw is not None
        assert frame.weight_hw[HW[0] // 2].mean() > 0.5
        assert frame.truth_hw is not None  # recorded depth is there for the report


@pytest.mark.usefixtures('known_estimator')
def test_a_scan_and_odometry_are_learned_from_together(tmp_path: Path, opened: ExitStack) -> None:
    scene = with_scans()
    moved = zip(scene.before, scene.stamps, strict=True)
    both = tuple((*messages, ('/odom', odometry(stamp))) for messages, stamp in moved)
    bag = write(tmp_path / 'bag', replace(scene, before=both))
    source = open_source(bag, plan_of(bag), 'sparse', opened)
    assert isinstance(source, pinned.PinnedDepth)
    assert source.labels == 'depth scaled by scan and odometry'
    assert place_corners(source, source.topics).posed == 6
    # The robot stands still, so that its odometry adds no corners.
    assert source.may_have_label(np.arange(6)).all()
    frames = list(source.frames({0: -1, 3: -1}))
    assert [frame.position for frame in frames] == [0, 3]
    for frame in frames:
        np.testing.assert_allclose(frame.depth_hw, TRUTH, rtol=0.03)


def driven(speed: float) -> Scene:
    """A scan, and odometry of a camera that is said to move sideways."""
    scene = with_scans()
    before = []
    for messages, stamp in zip(scene.before, scene.stamps, strict=True):
        pose = odometry(stamp)
        step = speed * (stamp - scene.stamps[0]) / 1e9
        pose.pose.pose.position = type(pose.pose.pose.position)(step, 0.0, 0.0)
        before.append((*messages, ('/odom', pose)))
    return replace(scene, before=tuple(before))


@pytest.mark.usefixtures('known_estimator')
def test_odometry_that_is_faster_than_is_believed_is_left_out_and_said(
    tmp_path: Path, opened: ExitStack
) -> None:
    for speed, labels, said in ((18.0, 'scan and odometry', []), (50.0, 'scan', [5])):
        bag = write(tmp_path / f'{speed}', driven(speed))
        source = open_source(bag, plan_of(bag), 'sparse', opened)
        assert source.may_have_label(np.arange(6)).all()
        assert source.labels == f'depth scaled by {labels}'
        found = {text: n for text, n in source.problems.items() if 'it must be in metres' in text}
        assert list(found.values()) == said
        assert all('odometry is left out: the pose jumps by 2.5 m' in text for text in found)
    alone = open_source(bag, plan_of(bag), 'odometry', opened)
    with pytest.raises(DatasetError, match=r'the pose jumps by 2\.5 m'):
        alone.may_have_label(np.arange(6))


@pytest.mark.usefixtures('known_estimator')
def test_odometry_that_a_scan_contradicts_makes_no_views(
    tmp_path: Path, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A robot of 5 cm/s in centimetres: no jump, and corners a hundred times as far away."""
    columns = np.arange(4.0, 60.0, 4.0)
    rays = np.stack([(columns - CX) / FOCAL, np.full(14, 0.1), np.ones(14)], axis=1)
    seen = rays * FACTOR * (1 + columns[:, None] / 100)
    swept: list[int] = []
    monkeypatch.setattr(pinned, 'sweep', lambda image, *_: swept.append(image.position))
    for share, count in ((1.0, 0), (100.0, 2)):
        points = SparseDepth(seen * share, source='odometry')
        bag = write(tmp_path / f'{share}', driven(5.0))
        source = open_source(bag, plan_of(bag), 'sparse', opened)
        assert isinstance(source, pinned.PinnedDepth)
        placed = replace(place_corners(source, source.topics), points={0: points, 3: points})
        monkeypatch.setattr(pinned, 'place_corners', lambda *_, placed=placed: placed)
        source.may_have_label(np.arange(6))
        frames = list(source.frames({0: -1, 3: -1, 5: -1}))
        assert len(frames) == 3
        for frame in frames:
            np.testing.assert_allclose(frame.depth_hw, TRUTH, rtol=0.05)
        assert swept == ([] if count else [0, 3])
        swept.clear()
        said = [n for text, n in source.problems.items() if 'odometry for 1' in text]
        assert said == ([count] if count else [])


@pytest.mark.usefixtures('known_estimator')
def test_sensors_that_are_not_used_are_counted_with_the_reason(
    tmp_path: Path, opened: ExitStack
) -> None:
    scene = with_scans()
    hour_ns = 3600 * 10**9
    late = tuple(
        tuple(
            (topic, scan(stamp + hour_ns) if 'scan' in topic else message)
            for topic, message in each
        )
        for each, stamp in zip(scene.before, scene.stamps, strict=True)
    )
    for name, before, said in (('well', scene.before, []), ('late', late, [6])):
        bag = write(tmp_path / name, replace(scene, before=before))
        source = open_source(bag, plan_of(bag), 'sparse', opened)
        frames = list(source.frames(dict.fromkeys(range(6), -1)))
        assert len(frames) == (0 if said else 6)
        problems = {text: count for text, count in source.problems.items() if 'scan: ' in text}
        assert list(problems.values()) == said
        assert all('data must be within 0.5 s of the image' in text for text in problems)


@pytest.mark.usefixtures('known_estimator')
def test_a_mount_may_be_given_and_a_topic_named(tmp_path: Path, opened: ExitStack) -> None:
    bag = write(tmp_path / 'bag', with_scans(is_mounted=False))
    plan = plan_of(bag, sources=(('scan', '/front/scan'),), settings=(EXTRINSICS,))
    frames = list(open_source(bag, plan, 'sparse', opened).frames({2: -1}))
    np.testing.assert_allclose(frames[0].depth_hw, TRUTH, rtol=0.03)
    without = open_source(bag, plan_of(bag), 'sparse', opened)
    assert list(without.frames({2: -1})) == []


def test_depth_of_another_camera_is_projected_into_the_images(
    tmp_path: Path, opened: ExitStack
) -> None:
    # The depth camera has another focal length, in the same place.
    scene = replace(slanted_wall(), depth_focal=90.0, depth_delay_ns=0)
    bag = write(tmp_path / 'bag', scene)
    identity = 'sparse_depth_extrinsics=[optical elsewhere 0 0 0 0 0 0 1]'
    source = open_source(bag, plan_of(bag, settings=(identity,)), 'depth', opened)
    assert isinstance(source, ProjectedDepth)
    frame = next(iter(source.frames({2: -1})))
    depth, seen = frame.depth_hw, np.isfinite(frame.depth_hw)
    assert depth.shape == (120, 160)
    row = int(seen.sum(axis=1).argmax())
    # Its view is two thirds as wide.
    assert seen[row].nonzero()[0].min() == pytest.approx(160 / 6, abs=3)
    column_px = (np.flatnonzero(seen[row]) + 0.5) * HW[1] / 160 - 0.5
    centre = (HW[1] - 1) / 2
    expected = FACTOR * (1 + (centre + (column_px - centre) * 1.5) / 100)
    np.testing.assert_allclose(depth[row][seen[row]], expected, rtol=0.02)


def test_of_points_in_one_pixel_the_nearest_counts() -> None:
    k = (160.0, 0.0, 79.5, 0.0, 160.0, 59.5, 0.0, 0.0, 1.0)
    camera = CameraModel.from_fields(width=160, height=120, k=k)
    points = np.array([[0.0, 0.0, 3.0], [0.0, 0.0, 2.0], [1.0, 0.0, 4.0]])
    depth = project_depth(SparseDepth(points), camera)
    assert np.nanmin(depth) == 2.0
    assert np.isfinite(depth).sum() == 2
    assert depth[60, 120] == 4.0 or depth[59, 119] == 4.0 or depth[60, 119] == 4.0


def test_a_camera_info_that_cannot_be_of_the_images_is_refused(
    tmp_path: Path, opened: ExitStack
) -> None:
    bag = write(tmp_path / 'bag', Scene.make(2))
    source = open_source(bag, plan_of(bag), 'depth', opened)
    assert isinstance(source, RecordedDepth)
    assert check_camera(source.index, 0, HW, source.settings).fx == 60.0
    with pytest.raises(DatasetError, match='camera_info must fit the images'):
        check_camera(source.index, 0, (64, 48), source.settings)


@pytest.mark.slow
def test_corners_of_the_clip_are_placed_where_its_depth_says(opened: ExitStack) -> None:
    names = {'settings': ('sparse_depth_sources=[odometry]',)}
    source = open_source(CLIP, plan_of(CLIP, **names), 'odometry', opened)
    assert isinstance(source, pinned.PinnedDepth)
    corners = place_corners(source, source.topics)
    assert corners.posed == 64
    assert len(corners.points) > 50
    corners.check('clip')
    errors = []
    depth_source = open_source(CLIP, plan_of(CLIP), 'depth', opened)
    for frame in depth_source.frames(dict.fromkeys(range(10, 60, 10), -1)):
        points = corners.points[frame.position].points_xyz
        height, width = frame.depth_hw.shape
        columns = np.rint(points[:, 0] / points[:, 2] * frame.focal_px + (width - 1) / 2)
        rows = np.rint(points[:, 1] / points[:, 2] * frame.focal_px + (height - 1) / 2)
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        truth = frame.depth_hw[rows[inside].astype(int), columns[inside].astype(int)]
        errors.append(np.abs(points[inside, 2] / truth - 1))
    assert float(np.nanmedian(np.concatenate(errors))) < 0.03


@pytest.mark.slow
def test_images_from_places_apart_make_labels_better(
    monkeypatch: pytest.MonkeyPatch, opened: ExitStack
) -> None:
    errors: dict[str, list[float]] = {'corners': [], 'views': []}
    for name, found in errors.items():
        source = open_source(CLIP, AdaptationPlan((CLIP,)), 'odometry', opened)
        source.may_have_label(np.arange(64))
        if name == 'corners':
            monkeypatch.setattr(Views, 'at', lambda *_: None)
        for frame in source.frames({4: -1, 20: -1, 30: -1}):
            assert frame.truth_hw is not None
            size = frame.depth_hw.shape[::-1]
            truth = cv2.resize(frame.truth_hw, size, interpolation=cv2.INTER_NEAREST)
            found.append(float(np.nanmean(np.abs(frame.depth_hw / truth - 1))))
        monkeypatch.undo()
    assert isinstance(source, pinned.PinnedDepth)
    assert not source.follows_network
    assert np.mean(errors['views']) < 0.97 * np.mean(errors['corners'])
