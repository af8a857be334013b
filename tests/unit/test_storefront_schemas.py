"""Amounts as the API writes them, and which names mean this machine."""

from __future__ import annotations

from decimal import Decimal

import pytest

from catalog.api_schemas.prices import plain_amount
from catalog.storefront.open_access import is_this_machine


@pytest.mark.parametrize(
    ("amount", "text"),
    [("59.9000", "59.90"), ("100.0000", "100.00"), ("0.0050", "0.005"), ("0", "0.00"), ("1E+3", "1000.00")],
)
def test_amounts_have_two_decimals_or_as_many_as_they_need(amount, text):
    assert plain_amount(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.2", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("127.0.0.1.example", False),
        ("", False),
        ("10.0.0.1", False),
    ],
)
def test_only_names_that_can_mean_nothing_else_are_this_machine(host, expected):
    assert is_this_machine(host) is expected
