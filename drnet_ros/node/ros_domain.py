"""A ROS domain of one's own, so that nodes of other runs on this machine are not met."""

from __future__ import annotations

import os
import socket

from drnet_ros.errors import DrnetError

__all__ = ['claim_domain', 'stay_apart']

_FIRST_PORT = 46200
_DOMAINS = tuple(range(1, 102))
_claims: list[socket.socket] = []


def stay_apart() -> None:
    """Talk to nobody else: in a domain of one's own, on this machine only.

    A demo or a benchmark must not meet somebody's robot. What the user has set stays.

    Raises:
        DrnetError: If all domains are taken.
    """
    if 'ROS_DOMAIN_ID' not in os.environ:
        claim_domain()
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')


def claim_domain() -> int:
    """Take a domain that nobody else has claimed, for as long as this process lives.

    Holding a port claims the domain of that number. `ROS_DOMAIN_ID` is set, for rclpy and for
    programs started from here.

    Raises:
        DrnetError: If all are taken.
    """
    start = os.getpid() % len(_DOMAINS)
    for domain in (*_DOMAINS[start:], *_DOMAINS[:start]):
        claim = socket.socket()
        try:
            claim.bind(('127.0.0.1', _FIRST_PORT + domain))
        except OSError:
            claim.close()
        else:
            _claims.append(claim)
            os.environ['ROS_DOMAIN_ID'] = str(domain)
            return domain
    msg = 'a ROS domain must be free, all are claimed; end other demos and test runs'
    raise DrnetError(msg)
