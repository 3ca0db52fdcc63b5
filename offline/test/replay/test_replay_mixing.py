"""Recordings of several cameras, and of depth that the network itself has computed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from known_scenes import (
    FOCAL,
    HW,
    ROS2,
    RunInProcess,
    Scene,
    info,
    known_depth,
    load,
    raw,
    write,
    write_messages,
)

from drnet_offline.evaluation.figures import own_depth_warning, shape_difference
from drnet_offline.replay.index import index_recording
from drnet_offline.replay.registration import index_warnings
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import choose_topics

pytestmark = pytest.mark.usefixtures('known_network')

OWN = 'recorded depth has the shape of the estimate'


def warnings_of(path: Path, drnet: RunInProcess, *words: Any) -> list[str]:
    out = path.parent / 'out.json'
    code, said = drnet('bag', path, '--json', out, *words)
    assert code == 0, said
    warnings: list[str] = load(out)['warnings']
    return warnings


def two_cameras(topics: tuple[str, str], frames: tuple[str, str]) -> list[tuple[str, Any]]:
    """Images of two cameras in turn, each with its camera_info."""
    messages: list[tuple[str, Any]] = []
    scene = Scene.make(4)
    for i, (stamp, image) in enumerate(zip(scene.stamps, scene.images, strict=True)):
        folder, frame = topics[i % 2], frames[i % 2]
        messages += [
            (f'{folder}/image_raw', raw(ROS2, stamp, frame, 'rgb8', image)),
            (f'{folder}/camera_info', info(ROS2, stamp, frame, HW, FOCAL * (1 + i % 2))),
        ]
    return messages


def test_cameras_that_mix_on_one_topic_are_warned_of(tmp_path: Path, drnet: RunInProcess) -> None:
    mixed = two_cameras(('/cam', '/cam'), ('front', 'rear'))
    images, infos = warnings_of(write_messages(tmp_path / 'mixed', mixed), drnet)
    assert images.startswith("images on /cam/image_raw are of the frames 'front', 'rear'")
    assert infos.startswith("messages on /cam/camera_info are of the frames 'front', 'rear'")
    apart = two_cameras(('/front', '/rear'), ('front', 'rear'))
    assert warnings_of(write_messages(tmp_path / 'apart', apart), drnet) == []


def test_camera_info_beside_the_images_of_another_camera_is_warned_of(
    tmp_path: Path, drnet: RunInProcess
) -> None:
    messages = two_cameras(('/front', '/rear'), ('camera', 'camera'))
    lacking = [each for each in messages if each[0] != '/rear/camera_info']
    path = write_messages(tmp_path / 'bag', lacking)
    (said,) = warnings_of(path, drnet, '--image-topic', '/rear/image_raw')
    assert said.startswith(
        'camera_info on /front/camera_info seems to be that of /front/image_raw'
    )
    assert '--camera-info-topic' in said
    assert warnings_of(path, drnet, '--image-topic', '/front/image_raw') == []


def test_depth_of_the_network_itself_is_warned_of(tmp_path: Path, drnet: RunInProcess) -> None:
    scene = Scene.make()
    path, out = write(tmp_path / 'bag', scene), tmp_path / 'out.mcap'
    assert not any(OWN in text for text in warnings_of(path, drnet))
    assert drnet('bag', path, '--write', out)[0] == 0
    words = ('--depth-topic', '/drnet/depth/image_rect')
    assert [OWN in text for text in warnings_of(out, drnet, *words)] == [True]
    # As of a node with temporal_filter, whose scale is another one.
    own = tuple((known_depth(image) * 1250).astype(np.uint16) for image in scene.images)
    path = write(tmp_path / 'scaled', replace(scene, truths=own))
    assert [OWN in text for text in warnings_of(path, drnet)] == [True]


def test_difference_of_shape_is_that_after_scaling() -> None:
    truth = np.array([[1, 2, 4, np.nan, 0]], np.float32)
    estimate = np.array([[2, 4.4, 8, 1, 1]], np.float32)
    assert shape_difference(estimate, truth) == pytest.approx(0.1 / 3, rel=1e-5)
    assert np.isnan(shape_difference(estimate, truth * np.nan))
    assert (
        own_depth_warning([]) == own_depth_warning([np.nan]) == own_depth_warning([0.0201]) == ''
    )
    assert 'REL 0.0199' in own_depth_warning([0.0199, np.nan, 0.0199, 0.3])


@pytest.mark.parametrize(
    ('given', 'topic'),
    [('/', '/points'), ('robot/depth/', '/robot/depth/points'), (None, '/drnet/points')],
)
def test_our_topics_go_where_they_are_wanted(
    tmp_path: Path, drnet: RunInProcess, given: str | None, topic: str
) -> None:
    path, out = write(tmp_path / 'bag', Scene.make(2)), tmp_path / 'out.mcap'
    words = () if given is None else ('--namespace', given)
    assert drnet('bag', path, '--write', out, *words)[0] == 0
    with Recording(out) as recording:
        assert topic in recording.topics


@pytest.mark.parametrize('given', ['my robot', '2nd', 'a//b', '~'])
def test_a_namespace_that_ros_does_not_have_is_refused(
    tmp_path: Path, drnet: RunInProcess, given: str
) -> None:
    path, out = write(tmp_path / 'bag', Scene.make(2)), tmp_path / 'out.mcap'
    code, said = drnet('bag', path, '--write', out, '--namespace', given)
    assert (code, '--namespace must be a name of ROS 2' in said) == (1, True), said
    assert not out.exists()


def test_a_camera_that_has_stopped_while_the_other_goes_on_is_said(tmp_path: Path) -> None:
    """As of a driver that sends its last picture again and again, with new stamps."""
    scene = Scene.make(14)
    still_images = scene.images[:2] + scene.images[2:3] * 12
    still_truths = scene.truths[:2] + scene.truths[2:3] * 12
    for name, shown, said in (
        ('whole', scene, ''),
        ('images', replace(scene, images=still_images), '12 images in a row'),
        ('depth', replace(scene, truths=still_truths), '12 depth images in a row'),
        ('both', replace(scene, images=still_images, truths=still_truths), ''),  # a still world
        ('few', replace(scene, truths=scene.truths[:6] + scene.truths[6:7] * 8), ''),
    ):
        with Recording(write(tmp_path / name, shown)) as recording:
            index = index_recording(recording, choose_topics(recording.topics), 0.02)
            found = [text for text in index_warnings(index) if 'in a row are the same' in text]
        assert len(found) == bool(said)
        assert all(text.startswith(f'{said} are the same, from 0.1 s on') for text in found)
