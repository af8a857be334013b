"""The API asked whatever its own description allows, and what it does not: nothing is ever an error of the server's.

Every answer also has a status, a type and a shape that the description has for it.
"""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from catalog.adapters.broker.request_limits import RequestLimits
from catalog.storefront.app import create_app
from catalog.storefront.rate_limits import RateLimits
from catalog.types import Scope

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
MODES = {mode.value: mode for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)}


@pytest.fixture(scope="module")
def description(application) -> schemathesis.BaseSchema:
    """The API as it describes itself, with no limit to how often it is asked."""
    app = create_app(application)
    app.state.rate_limits = RateLimits(RequestLimits(), None)
    # What needs no key takes nothing, either.
    return schemathesis.openapi.from_asgi("/openapi.json", app).include(path_regex="^/v1/")


@pytest.fixture(scope="module")
def key(application) -> str:
    return application.api_keys.create("atelier", "fuzzing", list(Scope)).secret


def _ask(description, key: str, mode: GenerationMode, examples: int) -> int:
    """Ask every operation so many times in this way; the number of operations."""
    num_operations = 0
    for result in description.get_all_operations():
        operation = result.ok()
        num_operations += 1

        @settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(mode))
        def asked(case: schemathesis.Case) -> None:
            response = case.call(headers={"X-Api-Key": key})
            case.validate_response(response, checks=CHECKS)

        asked()
    return num_operations


@pytest.mark.parametrize("mode", MODES)
def test_nothing_that_is_asked_is_an_error_of_the_servers(description, key, mode):
    assert _ask(description, key, MODES[mode], examples=3) >= 7


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_nothing_that_is_asked_at_length_is_an_error_of_the_servers(description, key, mode):
    assert _ask(description, key, MODES[mode], examples=150) >= 7
