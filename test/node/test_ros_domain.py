"""A demo, a benchmark and a test run on one machine each talk in a ROS domain of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from drnet_ros.node.ros_domain import claim_domain, stay_apart

_PRINT_DOMAIN = (
    'import os; from drnet_ros.node.ros_domain import stay_apart; stay_apart(); '
    'print(os.environ["ROS_DOMAIN_ID"], os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"], flush=True); '
    'input()'
)


def _start(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, '-c', _PRINT_DOMAIN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_programs_at_the_same_time_have_different_domains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('ROS_DOMAIN_ID')
    monkeypatch.delenv('ROS_AUTOMATIC_DISCOVERY_RANGE')
    own = claim_domain()
    monkeypatch.delenv('ROS_DOMAIN_ID')
    environment = dict(os.environ)
    programs = [_start(environment) for _ in range(3)]
    said = [program.stdout.readline().split() for program in programs if program.stdout]
    for program in programs:
        program.communicate('\n', timeout=20)
    assert len({own, *(int(domain) for domain, _ in said)}) == 4
    assert {where for _, where in said} == {'LOCALHOST'}


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('ROS_DOMAIN_ID', '77')
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'SUBNET')
    stay_apart()
    assert os.environ['ROS_DOMAIN_ID'] == '77'
    assert os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'SUBNET'


def test_a_claim_holds_a_port_so_that_it_ends_with_the_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('ROS_DOMAIN_ID', '0')
    domain = claim_domain()
    with socket.socket() as other, pytest.raises(OSError, match='in use'):
        other.bind(('127.0.0.1', 46200 + domain))
