"""Would int8 pay? The light network, quantised by NNCF, beside bf16: for docs/performance.md.

Needs `pip install nncf`, which is in none of our requirements since the answer was no.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import openvino as ov

from drnet_offline.datasets.image_files import read_rgb
from drnet_ros.inference.engines.openvino_convert import convert_network
from drnet_ros.inference.engines.openvino_engine import compile_options

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _read(paths: list[Path], size_hw: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Return images as uint8 (1, height, width, 3), RGB."""
    height, width = size_hw
    images = []
    for path in paths:
        rgb = cv2.resize(read_rgb(path), (width, height), interpolation=cv2.INTER_AREA)
        images.append(np.asarray(rgb[None], np.uint8))
    return images


def _milliseconds(network: ov.CompiledModel, image: NDArray[np.uint8], runs: int) -> float:
    request = network.create_infer_request()
    taken = []
    for _ in range(runs):
        begun = time.perf_counter()
        request.infer(image, share_inputs=True)
        taken.append(time.perf_counter() - begun)
    return 1e3 * float(np.median(taken))


def main() -> None:
    """Quantise, compare and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--weights', type=Path, required=True, help='a .safetensors file')
    parser.add_argument('--data', type=Path, required=True, help='a folder with rgb/*.jpg')
    parser.add_argument('--size', default='480x640', help='of the network, HxW')
    parser.add_argument('--images', type=int, default=48, help='how many to calibrate on')
    options = parser.parse_args()
    import nncf  # noqa: PLC0415 - after --help

    height, width = (int(side) for side in options.size.split('x'))
    size = (height, width)
    paths = sorted((options.data / 'rgb').glob('*.jpg'))
    step = len(paths) // options.images
    if step < 2:
        parser.error(f'{options.data} must have twice {options.images} images in rgb/*.jpg')
    calibration = _read(paths[::step], size)
    held_back = _read(paths[step // 2 :: 10 * step], size)
    core = ov.Core()
    quantised = nncf.quantize(
        convert_network(options.weights, size),
        nncf.Dataset(calibration),
        subset_size=len(calibration),
        preset=nncf.QuantizationPreset.MIXED,
    )
    networks = {
        name: core.compile_model(model, 'CPU', compile_options(precision))
        for name, model, precision in (
            ('fp32', convert_network(options.weights, size), 'fp32'),
            ('bf16', convert_network(options.weights, size), 'bf16'),
            ('int8', quantised, 'bf16'),
        )
    }
    figures: dict[str, Any] = {'size': options.size, 'calibrated_on': len(calibration)}
    for name in ('bf16', 'int8'):
        pairs = [(networks[name](x)[0], networks['fp32'](x)[0]) for x in held_back]
        off = [float(np.mean(np.abs(depth / exact - 1))) for depth, exact in pairs]
        figures[f'{name}_off_fp32'] = round(float(np.mean(off)), 4)
    turns: dict[str, list[float]] = {'bf16': [], 'int8': []}
    for _ in range(5):
        for name, taken in turns.items():
            taken.append(_milliseconds(networks[name], held_back[0], 40))
    for name, taken in turns.items():
        figures[f'{name}_ms'] = round(float(np.median(taken)), 1)
    print(json.dumps(figures))


if __name__ == '__main__':
    main()
