"""Rates of requests as people write them."""

from __future__ import annotations

import pytest

from catalog.bootstrap import settings_from_environment
from catalog.errors import InvalidRequest
from catalog.request_rates import MOST, Period, RequestRate, parse_request_rate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("600/min", RequestRate(600, Period.MINUTE)),
        ("120 / minute", RequestRate(120, Period.MINUTE)),
        ("5/s", RequestRate(5, Period.SECOND)),
        ("5/Second", RequestRate(5, Period.SECOND)),
        ("007/hour", RequestRate(7, Period.HOUR)),
        ("9999999/h", RequestRate(MOST, Period.HOUR)),
    ],
)
def test_rates_are_read_and_written_in_one_form(text, expected):
    assert parse_request_rate(text) == expected
    assert parse_request_rate(str(expected)) == expected


@pytest.mark.parametrize(
    "text", ["", "600", "0/min", "-1/min", "1.5/s", "600/m", "10000000/s", "60/min/s", "٣/s", "none"]
)
def test_anything_else_is_refused(text):
    with pytest.raises(InvalidRequest, match="such as 600/min"):
        parse_request_rate(text)


def test_a_multiple_stays_within_what_there_is():
    """20 · 600 = 12,000; 20 · 1,000,000 = 20,000,000, which is more than the 9,999,999 there are."""
    assert parse_request_rate("600/min").times(20) == RequestRate(12_000, Period.MINUTE)
    assert parse_request_rate("1000000/s").times(20) == RequestRate(MOST, Period.SECOND)


def test_a_share_is_at_least_one_request():
    """600 / 10 = 60; 25 / 10 = 2.5, of which 2 are whole; 5 / 10 is less than one."""
    shares = [parse_request_rate(rate).share(10) for rate in ("600/min", "25/s", "5/h")]
    assert list(map(str, shares)) == ["60/min", "2/s", "1/h"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, RequestRate(6000, Period.MINUTE)), ("", RequestRate(6000, Period.MINUTE)), ("None", None)],
)
def test_the_rate_of_keys_in_general_is_a_setting(monkeypatch, value, expected):
    monkeypatch.delenv("DRAPE_RATE_LIMIT", raising=False)
    if value is not None:
        monkeypatch.setenv("DRAPE_RATE_LIMIT", value)
    assert settings_from_environment().rate_limit == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DRAPE_RATE_LIMIT", "fast", "such as 600/min"),
        ("DRAPE_TRUSTED_PROXIES", "*", "IPv4 or IPv6 network"),
        ("DRAPE_TRUSTED_PROXIES", "10.0.0.0/8,proxy.intra", "IPv4 or IPv6 network"),
    ],
)
def test_settings_that_cannot_be_are_refused(monkeypatch, name, value, expected):
    """Nor may everybody be trusted to say who they are."""
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidRequest) as refused:
        settings_from_environment()
    assert name in str(refused.value)
    assert expected in str(refused.value)
