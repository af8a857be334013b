"""Addresses are brought into the one form that is sent; what is no address of a file on the web is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.adapters.http.web_address import WebAddress
from catalog.ports.remote_files import FetchRefused


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://shop.example", "http://shop.example/"),
        (" HTTPS://Shop.Example:443/A.jpg#top\n", "https://shop.example/A.jpg"),
        ("http://shop.example:443/a", "http://shop.example:443/a"),
        ("http://shop.example?mail=a@b.example", "http://shop.example/?mail=a@b.example"),
        ("http://shop.example/@a:b/c", "http://shop.example/@a:b/c"),
        ("http://shop.example./a", "http://shop.example/a"),
        ("https://bücher.example/größe?ä=ö ü", "https://xn--bcher-kva.example/gr%C3%B6%C3%9Fe?%C3%A4=%C3%B6%20%C3%BC"),
        ("https://a.example/50% off%20a.jpg", "https://a.example/50%25%20off%20a.jpg"),
        ("https://a.example/a%2Fb?x=%2b+", "https://a.example/a%2Fb?x=%2b+"),
        ("https://a.example/a,b|c(1)'s.jpg", "https://a.example/a,b|c(1)'s.jpg"),
        ("https://my_bucket.store.example/a?w=1&h=2", "https://my_bucket.store.example/a?w=1&h=2"),
        ("http://192.0.2.1:8080/a", "http://192.0.2.1:8080/a"),
        ("http://[2001:DB8:0::1]:8080/a", "http://[2001:db8::1]:8080/a"),
        ("http://127。0。0。1/a", "http://127.0.0.1/a"),
    ],
)
def test_addresses_have_one_form(text, url):
    assert WebAddress.parse(text).url == url


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.0.01",
        "1.2.3.4.5",
        "256.1.1.1",
        "0x7F.0.0.0x1.",
    ],
)
def test_hosts_that_are_numbers_in_other_ways_are_refused(host):
    with pytest.raises(FetchRefused, match=r"number|Invalid IPv4"):
        WebAddress.parse(f"http://{host}/")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shop.example/a.jpg",
        "//shop.example/a.jpg",
        "/a.jpg",
        "http://",
        "http:///a",
        "http:a",
        "http://a..example/",
        "http://.example/",
        "http://-a.example/",
        "http://a b.example/",
        "http://a%2eexample/",
        "http://*.example/",
        "http://①②⑦.⓪.⓪.①/",
        "http://[::1",
        "http://[::1%25eth0]/",
        "http://[v1.a]/",
        "http://a.example:0/",
        "http://a.example:65536/",
        "http://a.example:http/",
        "http://a.example/a\r\nX-Other: 1",
        f"http://{'a' * 64}.example/",
        f"http://{'a.' * 130}example/",
        f"http://a.example/{'a' * 9000}",
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(FetchRefused):
        WebAddress.parse(text)


@pytest.mark.parametrize(
    "text", ["data:image/png;base64,AAAA", "file:///etc/passwd", "ftp://a.example/x", "GOPHER://a/"]
)
def test_other_schemes_are_refused_by_name(text):
    with pytest.raises(FetchRefused, match=f"not fetched by {text.partition(':')[0].lower()}:"):
        WebAddress.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://user:secret@a.example/",
        "http://secret@a.example/",
        "http://@a.example/",
        "http://:@a.example/",
        "http://a.example\\@b.example/secret",
    ],
)
def test_passwords_are_refused_and_not_repeated(text):
    with pytest.raises(FetchRefused, match="user name or a password") as refused:
        WebAddress.parse(text)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/b", "https://a.example:8443/b"),
        ("b?x=ü", "https://a.example:8443/dir/b?x=%C3%BC"),
        ("?x", "https://a.example:8443/dir/a?x"),
        ("//b.example/", "https://b.example/"),
        ("http://b.example/", "http://b.example/"),
    ],
)
def test_redirects_may_be_relative(location, url):
    assert WebAddress.parse("https://a.example:8443/dir/a?q").joined(location).url == url


@pytest.mark.parametrize("location", ["http://[", "//[x/", "//a]b/", "//\u2100/a"])
def test_redirects_to_what_is_no_address_are_refused(location):
    """Whatever a server sends as ``Location``: it costs its own file, and not the run of whoever fetches it."""
    with pytest.raises(FetchRefused, match="redirect leads to what is no address"):
        WebAddress.parse("https://a.example/").joined(location)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_an_address_or_refused(host, rest):
    """What is taken stays as it is when it is taken again, and has nothing in it that could end a line."""
    try:
        address = WebAddress.parse(f"http://{host}/{rest}")
    except FetchRefused:
        return
    assert WebAddress.parse(address.url) == address
    assert address.url.isascii()
    assert address.url.isprintable()
    assert " " not in address.url
