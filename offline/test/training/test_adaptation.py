"""`drnet adapt` as it is called: what it writes, what it refuses, and that it goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from known_scenes import RunInProcess, Scene, write

from drnet_offline.datasets.sample import DepthSample
from drnet_offline.training.adaptation import training
from drnet_offline.training.adaptation.learner import Learner
from drnet_offline.training.adaptation.scoring import predict
from drnet_ros.inference import DepthEstimator, Settings
from drnet_ros.inference.engines.openvino_portable import read_portable
from drnet_ros.network.checkpoint import load_network

pytestmark = pytest.mark.slow

HW = (64, 96)
COUNT = 160
QUICK = ('--frames', 60, '--steps', 12, '--minutes', 5, '--seed', 1)

WriteWalk = Callable[[Path, Callable[[int], float]], Path]


@pytest.fixture(scope='module')
def write_walk(weights: Path) -> WriteWalk:
    """Writes images of an endless wall that passes by, whose depth is a factor of the old one."""
    network, metadata = load_network(weights)
    rng = np.random.default_rng(0)
    wall = rng.integers(0, 255, (HW[0] // 8, COUNT, 3), np.uint8)
    wall = np.asarray(cv2.resize(wall, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC), np.uint8)

    def write(root: Path, factor_of: Callable[[int], float]) -> Path:
        for part in ('rgb', 'depth'):
            (root / part).mkdir(parents=True)
        (root / 'camera.txt').write_text('120 120 47.5 31.5')
        for index in range(COUNT):
            image = np.ascontiguousarray(wall[:, 6 * index : 6 * index + HW[1]])
            sample = DepthSample('', image, np.ones(HW, np.float32), 120.0)
            depth = 1000 * factor_of(index) * predict(network, metadata, sample)
            cv2.imwrite(str(root / 'rgb' / f'{index:05d}.png'), image[..., ::-1])
            cv2.imwrite(str(root / 'depth' / f'{index:05d}.png'), depth.clip(1, 6e4).astype('u2'))
        return root

    return write


@pytest.fixture(scope='module')
def walk(tmp_path_factory: pytest.TempPathFactory, write_walk: WriteWalk) -> Path:
    """A walk whose depth is 1.3 times what the weights say."""
    return write_walk(tmp_path_factory.mktemp('walk') / 'walk', lambda _: 1.3)


@pytest.fixture(scope='module')
def other(tmp_path_factory: pytest.TempPathFactory, write_folder: Callable[..., Path]) -> Path:
    """What must not be forgotten."""
    return write_folder(tmp_path_factory.mktemp('other') / 'other', 40)


def test_a_walk_that_is_a_third_larger_gives_better_weights(
    walk: Path, other: Path, weights: Path, tmp_path: Path, drnet: RunInProcess
) -> None:
    output = tmp_path / 'out'
    words = ('adapt', walk, '--output', output, '--weights', weights, '--replay-data', other)
    gate = ('--test', walk, '--most-forgotten', 10, '--replay-share', 0)
    code, said = drnet(*words, *gate, '--frames', 60, '--steps', 120)
    assert code == 0, said
    summary = json.loads((output / 'adaptation.json').read_text())
    assert summary['is_accepted']
    assert summary['verdict'] in said
    # As of a node whose scale is another one.
    assert 'warning: walk: recorded depth has the shape of the estimate (REL 0.0' in said
    assert summary['steps'] == 120
    first, tested, replay = summary['comparisons']
    assert first['name'] == 'walk, held-out blocks'
    # 1 - 1 / 1.3 of the depth is missing before.
    assert first['before']['as_is']['rel'] == pytest.approx(1 - 1 / 1.3, abs=0.005)
    assert first['after']['as_is']['rel'] < 0.2
    assert tested['after']['as_is']['rel'] < 0.2
    assert replay['name'] == 'other (replay)'
    assert summary['recordings'][0]['sha256'] in (output / 'model_card.md').read_text()
    assert summary['verdict'].split(':')[0] in (output / 'report.html').read_text()
    assert not (output / 'unfinished').exists()
    assert f'written {output}/adapted.xml: with it the node needs no PyTorch' in said
    assert read_portable(output / 'adapted.safetensors') is not None
    settings = Settings(
        weights=str(output / 'adapted.safetensors'), engine='torch', device='cpu', min_depth=0.001
    )
    with DepthEstimator(settings) as estimator:
        assert estimator.metadata.metrics['protocol'] == 'walk, held-out blocks'
        assert np.isfinite(estimator.estimate(np.zeros((*HW, 3), np.uint8)).depth_hw).any()
    code, said = drnet(*words)
    assert code == 1
    assert 'holds adapted.safetensors already' in said


def test_labels_of_noise_are_refused_with_exit_code_3(
    write_walk: WriteWalk, other: Path, weights: Path, tmp_path: Path, drnet: RunInProcess
) -> None:
    rng = np.random.default_rng(4)
    noise = np.exp(rng.normal(0, 0.5, COUNT))
    noisy = write_walk(tmp_path / 'noisy', lambda index: float(noise[index]))
    output = tmp_path / 'out'
    code, said = drnet(
        'adapt', noisy, '--output', output, '--weights', weights, '--replay-data', other, *QUICK
    )
    assert code == 3, said
    assert 'The old weights stay' in said
    assert not (output / 'adapted.safetensors').exists()
    assert 'No weights were written' in (output / 'report.html').read_text()


def test_a_killed_run_goes_on_to_the_same_weights(
    walk: Path,
    other: Path,
    weights: Path,
    tmp_path: Path,
    drnet: RunInProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ('adapt', walk, '--weights', weights, '--replay-data', other, *QUICK)
    drnet(*words, '--output', tmp_path / 'whole')
    monkeypatch.setattr(training, '_SAVE_EVERY_S', 0.0)
    learn = Learner.learn

    def die(self: Learner, batch: dict[str, torch.Tensor]) -> float:
        # Steps that are measured have another learner.
        if self.step == 7:
            raise KeyboardInterrupt
        return learn(self, batch)

    with monkeypatch.context() as patched:
        patched.setattr(Learner, 'learn', die)
        code, said = drnet(*words, '--output', tmp_path / 'resumed')
        assert code == 130
        assert 'the same command goes on' in said
    assert (tmp_path / 'resumed' / 'unfinished' / 'training0.pt').is_file()
    _, said = drnet(*words, '--output', tmp_path / 'resumed')
    assert 'going on with' in said
    whole, resumed = (
        json.loads((tmp_path / name / 'adaptation.json').read_text())
        for name in ('whole', 'resumed')
    )
    # Bit for bit: the losses of all steps, and the errors of all mixtures in all blocks.
    assert len(whole['losses']) == 12
    assert resumed['losses'] == whole['losses']
    assert resumed['mixtures'] == whole['mixtures']
    assert resumed['comparisons'] == whole['comparisons']


def test_too_few_frames_are_refused_in_numbers(
    tmp_path: Path, weights: Path, drnet: RunInProcess, write_folder: Callable[..., Path]
) -> None:
    few = write_folder(tmp_path / 'few', 20)
    code, said = drnet('adapt', few, '--output', tmp_path / 'out', '--weights', weights, *QUICK)
    assert code == 1
    assert 'at least 24 different sharp frames' in said
    assert '20 images in 0.6 s' in said


@pytest.mark.parametrize(
    ('change', 'words', 'message'),
    [
        ({'depth_frame': 'elsewhere'}, (), "depth is of the frame 'elsewhere'"),
        ({'depth_focal': 90.0}, (), 'must be sure enough to judge by in 6 held-out blocks'),
        ({'depth_focal': 90.0}, (), 'bag: images: /cam/image_raw, camera_info: /cam/camera_info'),
        ({}, ('--labels', 'odometry'), 'odometry'),
        ({}, ('--labels', 'sparse'), 'must have a topic of a scan'),
        ({}, ('--source-topic', 'scan'), 'must be SOURCE=TOPIC'),
        ({}, ('--source-topic', 'scan=/scan'), "is for a source that labels of 'depth' do not"),
        ({}, ('--depth-topic', '/nowhere'), 'topic /nowhere must be in the recording'),
    ],
)
def test_recordings_that_cannot_work_are_refused(
    change: dict[str, object],
    words: tuple[str, ...],
    message: str,
    tmp_path: Path,
    weights: Path,
    drnet: RunInProcess,
) -> None:
    scene = replace(Scene.make(60), **change)  # type: ignore[arg-type]
    bag = write(tmp_path / 'bag', scene)
    code, said = drnet(
        'adapt', bag, '--output', tmp_path / 'out', '--weights', weights, *words, *QUICK
    )
    assert code == 1, said
    assert message in said
