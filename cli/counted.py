"""Numbers of things, in words that fit them."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """How many things there are; the word for one takes an s for more or none.

    >>> counted(1, "row"), counted(2000, "row"), counted(0, "row")
    ('1 row', '2,000 rows', '0 rows')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
