"""What all tests share: a ROS domain of their own, and somewhere to keep converted models."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import pytest

# Holding a port claims the domain of that number from other test runs on this machine.
_FIRST_PORT = 46200
_DOMAINS = range(1, 102)


def _claim_domain() -> tuple[int, socket.socket]:
    start = os.getpid() % len(_DOMAINS)
    for domain in (*_DOMAINS[start:], *_DOMAINS[:start]):
        claim = socket.socket()
        try:
            claim.bind(('127.0.0.1', _FIRST_PORT + domain))
        except OSError:
            claim.close()
        else:
            return domain, claim
    msg = 'a ROS domain must be free for the tests, all are claimed; end other test runs'
    raise RuntimeError(msg)


# Before anything imports rclpy, so that programs under test inherit it too.
_domain, _claim = _claim_domain()
os.environ['ROS_DOMAIN_ID'] = str(_domain)
os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
os.environ.setdefault('ROS_LOG_DIR', str(Path(tempfile.gettempdir()) / 'drnet_ros_test_log'))


def pytest_configure(config: pytest.Config) -> None:
    """Keep converted models from one run to the next, apart from the user's own."""
    cache = getattr(config, 'cache', None)
    if cache is not None:
        os.environ.setdefault('DRNET_CACHE_DIR', str(cache.mkdir('models')))
