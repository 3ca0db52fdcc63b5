"""Depth whose topic has no name that says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from known_scenes import ROS2, RunInProcess, Scene, depth_message, info, load, raw, write_messages

from drnet_offline.replay.depth_topics import depth_hint
from drnet_ros.recordings.recording import Recording
from drnet_ros.recordings.topics import choose_topics

HINT = 'no topic has depth in its name; {} may be depth: name it by --depth-topic'


def write_named(path: Path, topic: str, encoding: str) -> Path:
    """Images, and on another topic what may be their depth."""
    scene = Scene.make(3)
    messages: list[tuple[str, Any]] = []
    for stamp, image, truth in zip(scene.stamps, scene.images, scene.truths, strict=True):
        if encoding in {'16UC1', '32FC1', 'png'}:
            depth = depth_message(ROS2, stamp, scene, truth, encoding)
        else:
            depth = raw(ROS2, stamp, 'optical', encoding, truth.astype(np.uint16))
        messages += [
            ('/cam/image_raw', raw(ROS2, stamp, 'optical', 'rgb8', image)),
            ('/cam/camera_info', info(ROS2, stamp, 'optical', truth.shape, 60.0)),
            (topic, depth),
        ]
    return write_messages(path, messages)


@pytest.mark.parametrize(
    ('topic', 'encoding', 'found'),
    [
        ('/range/image', '16UC1', '/range/image (16UC1)'),
        ('/range/image', '32FC1', '/range/image (32FC1)'),
        ('/range/image', 'mono16', '/range/image (mono16)'),
        ('/range/image/compressed', 'png', '/range/image/compressed (16UC1)'),
        ('/infra/image', 'mono16', ''),
        ('/range/image', 'yuv422', ''),
    ],
)
@pytest.mark.usefixtures('known_network')
def test_a_topic_that_may_be_depth_is_proposed(
    tmp_path: Path, drnet: RunInProcess, topic: str, encoding: str, found: str
) -> None:
    path, out = write_named(tmp_path / 'bag', topic, encoding), tmp_path / 'out.json'
    with Recording(path) as recording:
        said = depth_hint(recording, choose_topics(recording.topics))
    assert said.startswith(HINT.format(found)) if found else said == ''
    assert drnet('bag', path, '--json', out)[0] == 0
    proposed = [text for text in load(out)['warnings'] if '--depth-topic' in text]
    assert proposed == ([said] if found else [])
    assert drnet('bag', path, '--json', out, '--depth-topic', 'none')[0] == 0
    assert not any('--depth-topic' in text for text in load(out)['warnings'])
    if found:
        assert drnet('bag', path, '--json', out, '--depth-topic', topic)[0] == 0
        assert load(out)['frames_matched'] == 3


def test_adapt_proposes_it_too(tmp_path: Path, drnet: RunInProcess) -> None:
    path = write_named(tmp_path / 'bag', '/range/image', '16UC1')
    for words in ((), ('--labels', 'depth')):
        code, said = drnet('adapt', path, '--output', tmp_path / 'new', *words)
        assert code == 1
        assert HINT.format('/range/image (16UC1)') in said
        assert 'None' not in said
