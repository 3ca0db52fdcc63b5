"""A ROS domain of one's own, so that nodes of other runs on this machine are not met."""

from __future__ import annotations

import os
import socket

__all__ = ['claim_domain']

_FIRST_PORT = 46200
_DOMAINS = tuple(range(1, 102))
_claims: list[socket.socket] = []


def claim_domain() -> int:
    """Take a domain that nobody else has claimed, for as long as this process lives.

    Holding a port claims the domain of that number. `ROS_DOMAIN_ID` is set, for rclpy and for
    programs started from here.

    Raises:
        RuntimeError: If all are taken.
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
    msg = 'a ROS domain must be free for the tests, all are claimed; end other test runs'
    raise RuntimeError(msg)
