"""What pydantic says of a request, in the words of every other error."""

import pytest
from pydantic import ValidationError

from catalog.api_schemas.errors import validation_facts
from catalog.api_schemas.query import Query


@pytest.mark.parametrize(
    ("body", "message", "received", "expected"),
    [
        ({"words": "red", "mod": "x"}, "mod cannot be used", "'x'", "no field of this name"),
        ({"words": "red", "diversity": 2}, "diversity cannot be used", "2", "less than or equal to 1"),
        (
            {"words": "red", "mode": "fc7"},
            "mode cannot be used",
            "'fc7'",
            "one of fused, visual (or fc6, pool), rerank, native, exact",
        ),
        ({"words": "red", "filters": {"all": 3}}, "filters.all cannot be used", "3", "a valid tuple"),
    ],
)
def test_faults_are_told_as_what_was_received_and_expected(body, message, received, expected):
    with pytest.raises(ValidationError) as raised:
        Query.model_validate(body)
    facts = validation_facts(raised.value.errors())
    assert (facts.message, facts.received, facts.expected) == (message, received, expected)
