"""``drape keys``: made once, listed without the secret, revoked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from catalog.bootstrap import Application
from catalog.settings import Settings


@pytest.fixture
def drape_of_atelier(drape) -> Iterator:
    """A command line whose one merchant is atelier. Its database is kept running, or every command would start it."""
    with Application(Settings(home=drape.home)) as application:
        with application.unit_of_work() as work:
            work.merchants.ensure("atelier")
            work.commit()
        yield drape


def test_keys_are_made_listed_and_revoked(drape_of_atelier):
    drape = drape_of_atelier
    assert "No API keys yet" in drape.run_here("keys", "list").out
    missing = drape.run_here("keys", "create", "--merchant", "brio")
    assert (missing.code, "No such merchant" in missing.err) == (1, True)

    backend = drape.run_here(
        "keys", "create", "-m", "atelier", "--name", "backend [x]", "--scope", "search", "--scope", "ingest"
    )
    secret, told = backend.out.removesuffix("\n"), backend.err.removesuffix("\n")
    assert (backend.code, secret[:9], len(secret)) == (0, "drape_sk_", 9 + 43)
    assert told == "Key 1 of atelier for search, ingest. It is not shown again."
    web = drape.run_here(
        *("keys", "create", "-m", "atelier", "--public", "--origin", "https://Shop.example"),
        *("--expires", "2099-12-31", "--rate-limit", "120/minute", "--json"),
    ).json
    assert (web["kind"], web["scopes"], web["allowed_origins"]) == ("public", ["search"], ["https://shop.example"])
    assert web["expires_at"].startswith("2100-01-01T00:00")
    assert web["rate_limit"] == "120/min"
    fast = drape.run_here("keys", "create", "-m", "atelier", "--rate-limit", "fast")
    assert (fast.code, "such as 600/min" in fast.err) == (2, True)

    everywhere = drape.run_here("keys", "create", "-m", "atelier", "--public", "--origin", "*")
    assert (everywhere.code, "with a wildcard" in everywhere.err) == (2, True)
    for day in ("soon", "2099-13-01", "2099-12-31T18:00", "9999-12-31"):
        refused = drape.run_here("keys", "create", "-m", "atelier", "--expires", day)
        assert (refused.code, "2027-12-31" in refused.err) == (2, True), day

    listed, as_json = drape.run_here("keys", "list"), drape.run_here("keys", "list", "-m", "atelier", "--json")
    assert [(key["id"], key["prefix"]) for key in as_json.json] == [(1, secret[:15]), (2, web["prefix"])]
    assert "backend [x]" in listed.out
    assert "120/min" in listed.out
    assert as_json.json[0]["rate_limit"] is None
    assert "good until 2100-01-01" in listed.out or "good until 2099-12-31" in listed.out
    for shown in (listed.out, as_json.out):
        assert (secret[:15] in shown, secret[15:] in shown, web["secret"][15:] in shown) == (True, False, False)

    revoked = drape.run_here("keys", "revoke", web["prefix"])
    assert (revoked.code, "Key 2" in revoked.out, web["secret"] in revoked.out) == (0, True, False)
    assert drape.run_here("keys", "revoke", "1", "--merchant", "atelier", "--json").json["revoked_at"] is not None
    assert drape.run_here("keys", "list").out.count("revoked") == 2
    unknown = drape.run_here("keys", "revoke", "4711")
    assert (unknown.code, "No such API key" in unknown.err) == (1, True)
