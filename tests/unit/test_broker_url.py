"""Only Redis can be the broker, and what is told of another address gives no password away."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from catalog.adapters.broker.broker_url import normalize_broker_url, require_broker_url
from catalog.errors import InvalidRequest


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("redis://:secret@cache:6379/2", "redis://:secret@cache:6379/2"),
        (" REDIS://cache ", "redis://cache"),
        ("rediss://cache:6380/0", "rediss://cache:6380/0"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock"),
    ],
)
def test_addresses_of_redis_are_taken(given, taken):
    assert normalize_broker_url(given) == taken


@pytest.mark.parametrize("given", ["amqp://guest:secret@rabbit//", "cache:6379", "", "redis://", "memory://secret"])
def test_other_addresses_are_refused_without_showing_them(given):
    with pytest.raises(InvalidRequest) as refused:
        normalize_broker_url(given)
    assert "secret" not in str(refused.value)
    assert "DRAPE_BROKER_URL" in str(refused.value)


def test_whoever_needs_a_broker_is_told_that_there_is_none():
    assert require_broker_url(SecretStr("redis://cache")) == "redis://cache"
    with pytest.raises(InvalidRequest, match="no broker"):
        require_broker_url(None)
