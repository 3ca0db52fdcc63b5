"""What `drnet bag --write` takes over of topics that it knows nothing of."""

from __future__ import annotations

from pathlib import Path

import pytest
from known_scenes import RunInProcess, Scene, write_ros1
from rosbags.rosbag1 import Writer as Ros1Writer

from drnet_ros.recordings.recording import Recording

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures('known_network')]


def test_a_type_of_ros_1_that_is_not_known_costs_no_other_topic_of_the_copy(
    tmp_path: Path, drnet: RunInProcess
) -> None:
    bag, scene = tmp_path / 'source.bag', Scene.make(3)
    with Ros1Writer(bag) as writer:
        odd = writer.add_connection(
            '/odd', 'mine/msg/Thing', msgdef='float64 __a\n', md5sum=32 * '1'
        )
        writer.write(odd, scene.stamps[0] - 1, bytes(8))
        write_ros1(writer, scene)
    code, said = drnet('bag', bag, '--write', tmp_path / 'out.mcap')
    assert code == 0, said
    assert 'not in the copy, since their types are not known: /odd' in said
    with Recording(tmp_path / 'out.mcap') as recording:
        for topic in ('/cam/image_raw', '/cam/depth/image_rect', '/drnet/points'):
            assert recording.topics[topic].count == 3
