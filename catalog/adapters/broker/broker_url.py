"""Addresses of the broker: Redis, and nothing else."""

from __future__ import annotations

from typing import Final

from pydantic import SecretStr

from catalog.errors import InvalidRequest

_SCHEMES: Final = ("redis", "rediss", "unix")


def normalize_broker_url(url: str) -> str:
    """The same address in the form that Celery takes: ``unix://`` becomes ``redis+socket://``.

    Raises:
        InvalidRequest: the address is not one of Redis. The message shows its scheme alone, for the rest may hold a
            password.
    """
    scheme, separator, rest = url.strip().partition("://")
    if not separator or scheme.lower() not in _SCHEMES or not rest:
        raise InvalidRequest(
            "The broker's address is not one of Redis.",
            received=f"{scheme}://…" if separator else "an address without ://",
            expected="redis://:password@host:port/number, rediss://… or unix:///path/of/socket",
            remedy="Correct DRAPE_BROKER_URL, or unset it to index in the process that ingests.",
        )
    return f"{'redis+socket' if scheme.lower() == 'unix' else scheme.lower()}://{rest}"


def require_broker_url(url: SecretStr | None) -> str:
    """The broker's address as the settings have it, for whoever cannot do without.

    Raises:
        InvalidRequest: none is configured.
    """
    if url is None:
        raise InvalidRequest(
            "There is no broker for workers to listen to",
            received="no DRAPE_BROKER_URL",
            expected="redis://host:port/number",
            remedy="set it; without workers, `drape ingest` indexes by itself",
        )
    return url.get_secret_value()
