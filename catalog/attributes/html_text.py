"""Readable text from descriptions that shops keep as HTML."""

from __future__ import annotations

import html
import re

_UNSEEN = re.compile(r"<!--.*?-->|<(script|style)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_INLINE = re.compile(
    r"</?(?:a|abbr|b|bdi|bdo|cite|code|em|font|i|mark|q|s|small|span|strong|sub|sup|u|wbr)\b[^<>]*>", re.I
)
_TAG = re.compile(r"</?[a-z][^<>]*>|<![^<>]*>", re.IGNORECASE)


def html_to_text(text: str) -> str:
    """The text a reader of the page would see; every tag that breaks a line ends a sentence.

    Text that is no HTML stays as it is, character references apart: a lone ``<`` is a less-than sign.

    >>> html_to_text("<p>Red &amp; <b>soft</b></p><li>No pockets</li>")
    '\\nRed & soft\\n\\nNo pockets\\n'
    """
    if "<" in text:
        text = _TAG.sub("\n", _INLINE.sub("", _UNSEEN.sub("\n", text)))
    return html.unescape(text) if "&" in text else text
