"""Readable text from descriptions that shops keep as HTML."""

from __future__ import annotations

import html
import re

_UNSEEN_START = re.compile(r"<!--|<(script|style)\b", re.IGNORECASE)
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
        text = _TAG.sub("\n", _INLINE.sub("", _without_unseen(text)))
    return html.unescape(text) if "&" in text else text


def _without_unseen(text: str) -> str:
    """The text without comments, scripts and styles. One that never ends takes the rest, as in a browser."""
    seen: list[str] = []
    lowered = text.lower() if text.isascii() else text
    end = 0
    while (start := _UNSEEN_START.search(text, end)) is not None:
        seen.append(text[end : start.start()])
        closing = "-->" if start[1] is None else f"</{start[1].lower()}"
        closed = lowered.find(closing, start.end())
        if closed < 0:
            return "\n".join(seen)
        end = closed + len(closing)
        if start[1] is not None:
            end = max(text.find(">", end) + 1, end)
    return "\n".join([*seen, text[end:]])
