"""DRAPE_FETCH_ALLOW is read, and what cannot be used is named."""

from __future__ import annotations

import ipaddress

import pytest

from catalog.adapters.http.fetch_allow_list import AllowedPlace, FetchAllowList
from catalog.adapters.http.http_on_demand import HttpOnDemand
from catalog.bootstrap import Application, settings_from_environment
from catalog.errors import InvalidRequest
from catalog.settings import Settings


def test_entries_have_commas_between_them():
    text = " Images.Intra.example, *.intra.example:8443,,10.1.0.0/16,127.0.0.1:8123, ::1, [fd00::/8]:8080,[fe80::1] "
    assert FetchAllowList.parse(text).places == (
        AllowedPlace(host="images.intra.example"),
        AllowedPlace(host="*.intra.example", port=8443),
        AllowedPlace(network=ipaddress.ip_network("10.1.0.0/16")),
        AllowedPlace(network=ipaddress.ip_network("127.0.0.1/32"), port=8123),
        AllowedPlace(network=ipaddress.ip_network("::1/128")),
        AllowedPlace(network=ipaddress.ip_network("fd00::/8"), port=8080),
        AllowedPlace(network=ipaddress.ip_network("fe80::1/128")),
    )


def test_nothing_is_allowed_by_nothing():
    assert FetchAllowList.parse("") == FetchAllowList.parse(" , ") == FetchAllowList()


@pytest.mark.parametrize(
    "entry",
    [
        "*",
        "*example",
        "a.*.example",
        "http://intra.example",
        "intra.example/images",
        "10.1.2.3/16",
        "10.1.2",
        "300.1.1.1",
        "intra.example:0",
        "intra.example:65536",
        "intra.example:http",
        "intra.example:",
        ":80",
        "a..b",
    ],
)
def test_other_entries_are_named(entry):
    with pytest.raises(InvalidRequest, match="DRAPE_FETCH_ALLOW") as refused:
        FetchAllowList.parse(f"intra.example,{entry}")
    assert refused.value.received == entry


def test_settings_with_such_an_entry_are_refused_at_once(monkeypatch):
    monkeypatch.setenv("DRAPE_FETCH_ALLOW", "10.1.2.3/16")
    with pytest.raises(InvalidRequest, match=r"10\.1\.2\.3/16"):
        settings_from_environment()


def test_the_application_makes_one_fetcher():
    with Application(Settings(fetch_allow="intra.example", fetch_per_host=2)) as application:
        files = application.remote_files
        assert isinstance(files, HttpOnDemand)
        assert application.remote_files is files
