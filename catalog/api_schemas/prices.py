"""Amounts of money in answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from catalog.api_schemas.fields import Answered


class PriceAnswer(Answered):
    """An amount, as a decimal number in text, in a currency."""

    amount: Annotated[str, Field(examples=["59.90"])]
    currency: Annotated[str, Field(examples=["EUR"])]


def price_answer(amount: Decimal, currency: str) -> PriceAnswer:
    """A price without the zeros that its column adds.

    >>> price_answer(Decimal("59.9000"), "EUR").amount, price_answer(Decimal("100.0000"), "EUR").amount
    ('59.90', '100.00')
    """
    return PriceAnswer(amount=plain_amount(amount), currency=currency)


def plain_amount(amount: Decimal) -> str:
    """At least two decimals, and more only where they are not zero."""
    cents = amount.quantize(Decimal("0.01"))
    return f"{cents:f}" if cents == amount else f"{amount.normalize():f}"
