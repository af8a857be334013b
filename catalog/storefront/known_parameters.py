"""No parameter of an address is passed over: a misspelt filter would find more than was asked for, unnoticed."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from fastapi import Request
from fastapi.routing import APIRoute

from catalog.errors import InvalidRequest

if TYPE_CHECKING:
    from fastapi.dependencies.models import Dependant

_ELSEWHERE: Final = frozenset(["key"])
"""Looked at by whoever lets a request in."""


async def only_known_parameters(request: Request) -> None:
    """Refuse a request with parameters that its endpoint does not have.

    Raises:
        InvalidRequest: it has one.
    """
    route = request.scope.get("route")
    if not request.query_params or not isinstance(route, APIRoute):
        return
    known = _names(route.dependant)
    for name in request.query_params:
        if name not in known and name not in _ELSEWHERE:
            near = get_close_matches(name, sorted(known), n=1)
            raise InvalidRequest(
                "The endpoint has no such parameter",
                received=name,
                expected=", ".join(sorted(known)) or "no parameter",
                remedy=f"did you mean {near[0]}?" if near else "leave it out",
            )


def _names(dependant: Dependant) -> set[str]:
    """Those of an endpoint and of all that it depends on."""
    names = {parameter.alias for parameter in dependant.query_params}
    return names.union(*(_names(each) for each in dependant.dependencies))
