"""Converts a baseline into an OpenVINO model, as a program: memory it takes ends with it."""

from __future__ import annotations

import sys
from pathlib import Path

import openvino as ov
import torch

from drnet_offline.benchmark.baselines.building import build_baseline
from drnet_ros.errors import DrnetError, one_line
from drnet_ros.network.metadata import IMAGENET_MEAN, IMAGENET_STD

__all__ = ['convert_baseline', 'main']


def convert_baseline(name: str, backbone: str, size_hw: tuple[int, int]) -> ov.Model:
    """Build a baseline and convert it, with normalisation inside, as the node's networks are.

    Args:
        name: One of `building.BASELINES`.
        backbone: Its backbone.
        size_hw: Height and width of its input.

    Returns:
        A model that takes uint8 (1, H, W, 3) RGB.

    Raises:
        OfflineError: A library is missing.
    """
    network = build_baseline(name, backbone)
    example = torch.zeros(1, 3, *size_hw)
    with torch.inference_mode():
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            network, example, check_trace=False
        )
        model = ov.convert_model(traced, example_input=example, input=[tuple(example.shape)])
    steps = ov.preprocess.PrePostProcessor(model)
    image = steps.input()
    image.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout('NHWC'))
    image.model().set_layout(ov.Layout('NCHW'))
    image.preprocess().convert_element_type(ov.Type.f32)
    image.preprocess().mean([value * 255 for value in IMAGENET_MEAN])
    image.preprocess().scale([value * 255 for value in IMAGENET_STD])
    return steps.build()


def main(arguments: list[str]) -> int:
    """Convert and write.

    Args:
        arguments: Name, backbone, height, width and the .xml to write.

    Returns:
        The exit code: 0, or 1 after one line that says what failed.
    """
    name, backbone, height, width, path = arguments
    try:
        model = convert_baseline(name, backbone, (int(height), int(width)))
        ov.save_model(model, Path(path), compress_to_fp16=False)
    except (DrnetError, OSError, RuntimeError) as error:
        sys.stderr.write(f'{one_line(error)}\n')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
