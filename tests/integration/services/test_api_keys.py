"""API keys on a real PostgreSQL: whom they let in, until when, and that their secrets are nowhere."""

from __future__ import annotations

import datetime
import logging
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from catalog.errors import DatabaseUnavailable, InvalidRequest, KeyNotFound, KeyRefused, MerchantNotFound
from catalog.repositories.api_keys import ApiKeyRepository
from catalog.rows import ApiKeyKind
from catalog.services.api_keys import TRUSTED_SECONDS, ApiKeyService
from catalog.types import Scope

SHOP = "https://shop.example"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(shop, clock) -> ApiKeyService:
    """The service, with the merchants brio (no keys of its own unless a test makes some) and atelier."""
    with shop.unit_of_work() as work:
        work.merchants.ensure("brio")
        work.merchants.ensure("atelier")
        work.commit()
    return ApiKeyService(shop.unit_of_work, clock)


def _change(shop, statement: str) -> None:
    with shop.engine.begin() as connection:
        connection.execute(text(statement))


def test_a_key_lets_its_merchant_in_and_is_listed_without_its_secret(shop, keys):
    made = keys.create("atelier", "backend", [Scope.INGEST, Scope.SEARCH])
    assert re.fullmatch("drape_sk_[0-9A-Za-z]{43}", made.secret)
    assert made.key.prefix == made.secret[:15]
    assert made.key.scopes == (Scope.SEARCH, Scope.INGEST)

    caller = keys.authenticate(made.secret)
    merchant_id = shop.scalar("SELECT id FROM merchant WHERE name = 'atelier'")
    assert (caller.merchant, caller.merchant_id, caller.key_id) == ("atelier", merchant_id, made.key.id)
    assert (caller.scopes, caller.is_public, caller.allowed_origins) == ({Scope.SEARCH, Scope.INGEST}, False, ())

    (listed,) = keys.list("atelier")
    assert (listed.name, listed.kind, listed.prefix) == ("backend", ApiKeyKind.SECRET, made.secret[:15])
    assert listed.last_used_at is not None
    assert keys.list("brio") == []
    assert keys.list() == [listed]


def test_a_public_key_only_searches_from_the_sites_it_names(keys):
    made = keys.create(
        "atelier", "web", [Scope.SEARCH], is_public=True, allowed_origins=["HTTPS://Shop.Example:443", SHOP]
    )
    assert made.secret.startswith("drape_pk_")
    caller = keys.authenticate(made.secret)
    assert (caller.is_public, caller.allowed_origins) == (True, (SHOP,))


@pytest.mark.parametrize(
    ("name", "scopes", "options", "says"),
    [
        ("k", [], {}, "without a scope"),
        ("", [Scope.SEARCH], {}, "this name"),
        ("a\nb", [Scope.SEARCH], {}, "this name"),
        ("n" * 101, [Scope.SEARCH], {}, "this name"),
        ("drape_sk_" + "x" * 43, [Scope.SEARCH], {}, "no place for a key"),
        ("k", [Scope.SEARCH], {"is_public": True}, "certain sites"),
        ("k", [Scope.SEARCH, Scope.INGEST], {"is_public": True, "allowed_origins": [SHOP]}, "may only search"),
        ("k", [Scope.SEARCH], {"allowed_origins": [SHOP]}, "secret key has no origins"),
        ("k", [Scope.SEARCH], {"expires_at": datetime.datetime(2099, 1, 1)}, "no time zone"),
        ("k", [Scope.SEARCH], {"expires_at": datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)}, "before its first"),
    ],
)
def test_keys_that_make_no_sense_are_not_made(keys, name, scopes, options, says):
    with pytest.raises(InvalidRequest, match=says) as refused:
        keys.create("atelier", name, scopes, **options)
    assert "xxx" not in str(refused.value)
    assert keys.list() == []


def test_a_key_is_for_a_merchant_that_exists(keys):
    with pytest.raises(MerchantNotFound, match="atelier, brio"):
        keys.create("unknown", "k", [Scope.SEARCH])


def test_whoever_is_refused_is_not_told_why_but_the_log_is(shop, keys, clock, caplog):
    """Unknown, revoked, expired and malformed keys are answered in the very same words."""
    revoked, expired = (keys.create("atelier", name, [Scope.SEARCH]) for name in ("old", "older"))
    keys.revoke("atelier", revoked.key.id)
    _change(shop, f"UPDATE api_key SET expires_at = now() - interval '1 second' WHERE id = {expired.key.id}")
    answers = set()
    with caplog.at_level(logging.INFO):
        for secret in (revoked.secret, expired.secret, "drape_sk_" + "0" * 43, "hunter2", "", "\udcff\0"):
            with pytest.raises(KeyRefused) as refused:
                keys.authenticate(secret)
            answers.add(str(refused.value))
    assert len(answers) == 1
    logged = [record.getMessage() for record in caplog.records]
    assert f"API key {revoked.key.id} ({revoked.key.prefix}) of atelier refused: revoked" in logged
    assert f"API key {expired.key.id} ({expired.key.prefix}) of atelier refused: expired" in logged
    assert "API key refused: unknown" in logged
    assert "hunter2" not in caplog.text


def test_a_revoked_key_counts_no_longer_at_once_here_and_in_seconds_elsewhere(shop, keys, clock):
    made = keys.create("atelier", "k", [Scope.SEARCH])
    elsewhere = ApiKeyService(shop.unit_of_work, clock)
    keys.authenticate(made.secret)
    elsewhere.authenticate(made.secret)
    revoked = keys.revoke("atelier", made.key.prefix)
    assert revoked.revoked_at is not None
    with pytest.raises(KeyRefused):
        keys.authenticate(made.secret)

    clock.seconds += TRUSTED_SECONDS - 0.1
    assert elsewhere.authenticate(made.secret).key_id == made.key.id
    clock.seconds += 0.1
    with pytest.raises(KeyRefused):
        elsewhere.authenticate(made.secret)
    assert keys.revoke(None, made.key.id).revoked_at == revoked.revoked_at


def test_a_trusted_key_asks_the_database_nothing_and_expires_on_time(shop, keys, clock, monkeypatch):
    """Of a key with two seconds left, a process is sure for less than those, whatever it trusts others for."""
    made = keys.create("atelier", "k", [Scope.SEARCH])
    _change(shop, f"UPDATE api_key SET expires_at = now() + interval '2 seconds' WHERE id = {made.key.id}")
    keys.authenticate(made.secret)
    with monkeypatch.context() as patch:
        patch.setattr(ApiKeyRepository, "presented", None)
        assert keys.authenticate(made.secret).key_id == made.key.id
    clock.seconds += 2.0
    _change(shop, f"UPDATE api_key SET expires_at = now() WHERE id = {made.key.id}")
    with pytest.raises(KeyRefused):
        keys.authenticate(made.secret)


def test_keys_are_revoked_by_id_prefix_or_secret_but_only_ones_own(keys):
    made = [keys.create("atelier", f"k{at}", [Scope.SEARCH]) for at in range(3)]
    for which in (made[0].key.id, made[0].key.prefix, made[0].secret):
        with pytest.raises(KeyNotFound):
            keys.revoke("brio", which)
    for which in (4711, 0, -1, 2**70, "drape_sk_", "%", "x\0", "drape_sk_" + "0" * 43):
        with pytest.raises(KeyNotFound):
            keys.revoke(None, which)
    assert [key.revoked_at for key in keys.list()] == [None] * 3
    for one, which in zip(made, (made[0].key.id, made[1].key.prefix, made[2].secret), strict=True):
        assert keys.revoke("atelier", which).id == one.key.id
    assert None not in [key.revoked_at for key in keys.list()]


def test_a_mistyped_secret_is_not_shown(keys):
    made = keys.create("atelier", "k", [Scope.SEARCH])
    with pytest.raises(KeyNotFound) as error:
        keys.revoke("atelier", made.secret[:-1])
    assert made.secret[15:-1] not in str(error.value)


def test_a_prefix_of_several_keys_revokes_none(shop, keys):
    first, second = (keys.create("atelier", name, [Scope.SEARCH]).key for name in "ab")
    _change(shop, f"UPDATE api_key SET prefix = '{first.prefix}'")
    with pytest.raises(InvalidRequest, match=f"{first.id}, {second.id}"):
        keys.revoke("atelier", first.prefix)
    assert [key.revoked_at for key in keys.list()] == [None, None]


def test_the_last_use_is_noted_once_a_minute(shop, keys, clock):
    made = keys.create("atelier", "k", [Scope.SEARCH])

    def noted(age: str) -> bool:
        """Whether a use is noted when the last one was so long ago."""
        _change(shop, f"UPDATE api_key SET last_used_at = now() - interval '{age}'")
        before = keys.list()[0].last_used_at
        clock.seconds += TRUSTED_SECONDS
        keys.authenticate(made.secret)
        return keys.list()[0].last_used_at != before

    assert made.key.last_used_at is None
    assert [noted(age) for age in ("50 seconds", "61 seconds")] == [False, True]


def test_noting_the_last_use_waits_for_nobody(shop, keys, caplog, monkeypatch):
    """Neither a locked row nor a database that is gone by then keeps a request with a good key."""
    made = keys.create("atelier", "k", [Scope.SEARCH])
    # Waiting for a lock would be an error in this database; new connections know.
    _change(shop, f"ALTER DATABASE {shop.engine.url.database} SET lock_timeout = '50ms'")
    shop.engine.dispose()
    with shop.engine.begin() as connection:
        connection.execute(text("SELECT * FROM api_key FOR UPDATE"))
        assert keys.authenticate(made.secret).key_id == made.key.id
    assert (keys.list()[0].last_used_at, caplog.text) == (None, "")

    def gone(*_) -> None:
        raise DatabaseUnavailable("PostgreSQL did not answer")

    monkeypatch.setattr(ApiKeyRepository, "note_use", gone)
    assert ApiKeyService(shop.unit_of_work).authenticate(made.secret).key_id == made.key.id
    assert "was not noted: PostgreSQL did not answer" in caplog.text


@given(
    kinds=st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=4),
)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_secret_is_ever_listed_logged_or_stored(shop, keys, caplog, kinds):
    """Whatever keys are made, used, refused and revoked: the unshown part of a secret is nowhere."""
    caplog.clear()
    kept, seen = [], []
    with caplog.at_level(logging.DEBUG):
        for is_public, is_used, is_revoked in kinds:
            origins = [SHOP] if is_public else []
            made = keys.create("brio", "law", [Scope.SEARCH], is_public=is_public, allowed_origins=origins)
            kept.append(made.secret)
            if is_used:
                keys.authenticate(made.secret)
            if is_revoked:
                keys.revoke("brio", made.secret)
                with pytest.raises(KeyRefused) as refused:
                    keys.authenticate(made.secret)
                seen.append(str(refused.value))
            seen.append(repr(made))
    seen += [record.getMessage() for record in caplog.records] + [repr(key) for key in keys.list()]
    for table, column in shop.rows(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    ):
        seen += [value for (value,) in shop.rows(f'SELECT "{column}"::text FROM "{table}"') if value is not None]
    everything = "\n".join(seen)
    assert len(set(kept)) == len(kinds)
    assert all(secret[:15] in everything for secret in kept)
    assert not [secret for secret in kept if secret in everything or secret[15:] in everything]
