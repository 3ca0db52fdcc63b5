"""What all tests share: a ROS domain of their own, and somewhere to keep converted models."""

from __future__ import annotations

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from drnet_ros.node.ros_domain import claim_domain

# Before anything imports rclpy, so that programs under test inherit it too.
claim_domain()
os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
os.environ.setdefault('ROS_LOG_DIR', str(Path(tempfile.gettempdir()) / 'drnet_ros_test_log'))


if find_spec('hypothesis'):
    from hypothesis import HealthCheck, settings

    # Examples are the same in every run, and none is late: by default one that takes 0.2 s fails,
    # which on a busy machine is any.
    settings.register_profile(
        'drnet_ros', deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile('drnet_ros')


def pytest_configure(config: pytest.Config) -> None:
    """Keep converted models from one run to the next, apart from the user's own."""
    cache = getattr(config, 'cache', None)
    if cache is not None:
        os.environ.setdefault('DRNET_CACHE_DIR', str(cache.mkdir('models')))
