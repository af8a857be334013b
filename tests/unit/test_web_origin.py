"""Origins are kept as browsers send them; what stands for more or other than one site is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import InvalidRequest
from catalog.services.web_origin import normalize_origin


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("https://shop.example", "https://shop.example"),
        ("HTTPS://Shop.Example:443", "https://shop.example"),
        ("http://shop.example:80", "http://shop.example"),
        ("http://shop.example:443", "http://shop.example:443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://127.0.0.1:08080", "http://127.0.0.1:8080"),
        ("http://[0:0::1]:3000", "http://[::1]:3000"),
        ("https://xn--fa-hia.example", "https://xn--fa-hia.example"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(given_text, kept):
    assert normalize_origin(given_text) == kept


@pytest.mark.parametrize(
    ("given_text", "says"),
    [
        ("*", "wildcard"),
        ("https://*.shop.example", "wildcard"),
        ("https://shop.example/", "leave out what follows: https://shop.example"),
        ("https://shop.example/catalog", "leave out what follows: https://shop.example"),
        ("https://shop.example?a", "leave out"),
        ("https://shop.example#a", "leave out"),
        ("https://shop.example\\a", "origin"),
        ("shop.example", "no origin of web pages"),
        ("null", "no origin of web pages"),
        ("", "received: nothing"),
        ("ftp://shop.example", "no origin of web pages"),
        ("file:///home", "no origin of web pages"),
        ("https://", "no origin of web pages"),
        ("https://:443", "no origin of web pages"),
        ("https://shop.example:0", "port 0"),
        ("https://shop.example:65536", "no origin"),
        ("https://shop.example:a", "no origin"),
        ("https://shop..example", "no usable host"),
        ("https://-shop.example", "no usable host"),
        ("https://faß.example", "xn--"),
        ("https://shop.exa\nmple", "printable"),
        (" https://shop.example", "printable"),
        ("https://[::1", "no origin"),
        ("https://" + "a." * 150 + "example", "printable|host"),
    ],
)
def test_what_is_no_single_origin_is_refused(given_text, says):
    with pytest.raises(InvalidRequest, match=says):
        normalize_origin(given_text)


def test_a_password_is_not_shown():
    with pytest.raises(InvalidRequest) as refused:
        normalize_origin("https://user:hunter2@shop.example")
    assert "hunter2" not in str(refused.value)


@given(st.text() | st.text("htps:/.[]0123456789aZ@*-%").map("https://{}".format))
def test_any_text_is_one_origin_or_refused(text):
    """What is kept is its own normal form, so that comparing it with a browser's header letter by letter is right."""
    try:
        kept = normalize_origin(text)
    except InvalidRequest:
        return
    assert normalize_origin(kept) == kept
    assert kept.count("/") == 2
    assert kept == kept.lower()
