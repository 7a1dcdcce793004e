"""The slowdown of a host, from the times of its answers."""

import pytest

from ferryman.registry.limits.latency import Latency


def test_without_answers_nothing_is_queued() -> None:
    assert Latency().queued(64) == 0


def test_steady_answers_show_no_queue() -> None:
    latency = Latency()
    for _ in range(100):
        latency.observe("HEAD", 0.05)
    assert latency.queued(64) < 1


def test_answers_that_take_twice_as_long_show_that_half_of_the_requests_wait() -> None:
    latency = Latency()
    latency.observe("HEAD", 0.05)
    for _ in range(60):
        latency.observe("HEAD", 0.1)
    assert latency.queued(40) == pytest.approx(20, abs=2)


def test_a_method_that_costs_more_is_no_slowdown() -> None:
    latency = Latency()
    for _ in range(50):
        latency.observe("HEAD", 0.01)
        latency.observe("POST", 0.1)
    assert latency.queued(64) < 1


def test_after_a_change_of_route_the_best_is_another() -> None:
    latency = Latency()
    latency.observe("HEAD", 0.02)
    for _ in range(4000):
        latency.observe("HEAD", 0.2)
    assert latency.queued(64) < 1
