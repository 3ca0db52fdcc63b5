"""A traced network keeps any input size: nothing in it branches on values or sizes."""

from __future__ import annotations

import warnings

import numpy as np
import openvino as ov
import pytest
import torch

from drnet_ros.network.config import NetworkConfig
from drnet_ros.network.drnet import DRNet


@pytest.mark.slow
@pytest.mark.parametrize('guided', [False, True])
def test_one_trace_serves_all_sizes(guided: bool) -> None:
    torch.manual_seed(0)
    network = DRNet(NetworkConfig(guided_filter=guided, correction_kernel=3)).eval()
    example = torch.randn(1, 3, 64, 96)
    with warnings.catch_warnings():
        warnings.simplefilter('error', torch.jit.TracerWarning)  # type: ignore[attr-defined]
        model = ov.convert_model(network, example_input=example, input=[(1, 3, -1, -1)])
    compiled = ov.compile_model(model, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    for height, width in [(64, 96), (33, 65), (96, 50)]:
        x = torch.randn(1, 3, height, width)
        with torch.no_grad():
            expected = network(x)
        results = compiled(x.numpy())
        for i, depth in enumerate(expected):
            np.testing.assert_allclose(results[i], depth.numpy(), atol=1e-3)


@pytest.mark.slow
def test_nothing_is_padded_where_nothing_has_to_be() -> None:
    network = DRNet(NetworkConfig()).eval()
    shape = (1, 3, 64, 96)
    model = ov.convert_model(network, example_input=torch.zeros(shape), input=[shape])
    compiled = ov.compile_model(model, 'CPU')
    kinds = [
        op.get_rt_info()['layerType'].astype(str) for op in compiled.get_runtime_model().get_ops()
    ]
    assert 'Convolution' in kinds
    # One for the bilinear upsampling of upII_1; the image would be another.
    assert kinds.count('Pad') == 1
    assert not {'StridedSlice', 'Slice'} & set(kinds)
