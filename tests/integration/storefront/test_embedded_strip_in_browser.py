"""Similar items in a shop's own page, in a real browser: of another origin than the service, with a public key."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from catalog.storefront.app import create_app
from catalog.types import Scope
from tests.chromium import NEEDS_CHROMIUM, Page, serving
from tests.integration.storefront.conftest import _take

pytestmark = NEEDS_CHROMIUM

_SHOP_PAGE = """<!doctype html>
<html lang="en-GB"><head><title>A shop</title>
<style>body {{ font-family: sans-serif; max-width: 50rem; --drape-width: 8rem }}</style>
<meta http-equiv="Content-Security-Policy"
  content="script-src 'unsafe-inline' {service}; connect-src {service}; img-src {service}">
<script>
  window.told = [];
  for (const name of ["shown", "failed"]) {{
    addEventListener(`drape:${{name}}`, ({{ detail }}) => told.push({{ name, ...detail }}));
  }}
  window.moved = 0;
  new PerformanceObserver((list) => {{ for (const one of list.getEntries()) moved += one.value; }})
    .observe({{ type: "layout-shift", buffered: true }});
</script></head>
<body><main><h1>Red dress</h1>
<script src="{service}/embed/similar.js" data-key="{key}" data-product="{product}" {more} async></script>
<p>What comes after it.</p></main></body></html>"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def end_headers(self) -> None:
        # The page is another one in each test.
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


@pytest.fixture(scope="module")
def shop_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def shop_address(shop_folder) -> Iterator[str]:
    """A shop's own server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=shop_folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def service_address(application) -> Iterator[str]:
    with serving(create_app(application)) as address:
        yield address


@pytest.fixture(scope="module")
def public_key(application, shop_address) -> str:
    return application.api_keys.create(
        "atelier", "pages", [Scope.SEARCH], is_public=True, allowed_origins=[shop_address]
    ).secret


@pytest.fixture
def shop_page(browser, shop_folder, shop_address, service_address, public_key):
    """Opens the shop's page of a product: ``shop_page(product, more attributes)``."""

    def opened(product: str, more: str = "", key: str = public_key) -> Page:
        text = _SHOP_PAGE.format(service=service_address, key=key, product=product, more=more)
        (shop_folder / "index.html").write_text(text, encoding="utf-8")
        browser.get_log("browser")
        page = Page(browser, shop_address)
        page.open()
        page.until(lambda: page.run("return told.length"))
        return page

    return opened


def _cards(page: Page) -> list[dict[str, str]]:
    return page.run(
        "return [...document.querySelector('script[data-key] + div').shadowRoot.querySelectorAll('li')].map((card) => ("
        "{title: card.querySelector('.title').textContent, price: card.querySelector('.price').textContent}))"
    )


def test_similar_items_stand_where_the_script_does(shop_page):
    page = shop_page("red-dress", "data-limit=2")
    assert page.run("return told") == [{"name": "shown", "count": 2}]
    assert sorted(_cards(page), key=lambda card: card["title"])[1] == {"title": "Skirt", "price": "€40.00"}
    host = "document.querySelector('script[data-key] + div')"
    photos = f"[...{host}.shadowRoot.querySelectorAll('img')]"
    page.until(lambda: page.run(f"return {photos}.filter((one) => one.naturalWidth > 0).length") == 2)
    # The shop's own measures hold inside, and nothing below has moved when the items came.
    assert page.run(f"return {host}.shadowRoot.querySelector('li').getBoundingClientRect().width") == 128
    assert page.run("return moved") < 0.01
    page.check_accessibility()
    page.keep("embedded-strip")
    with page.phone(), page.media(prefers_color_scheme="dark"):
        page.keep("embedded-strip-phone")
    assert page.console() == []


def test_items_lead_to_their_pages_by_keyboard_and_words_of_a_feed_stay_words(
    shop_page, application, shop_address, tmp_path
):
    hostile = "<img src=x onerror=document.title='ran'> & co"
    rows = [
        ("shown", "Shown", "red", ["red"], "Hats", "9.00 EUR", "in_stock"),
        ("linked", "Linked", "red", ["red", "blue"], "Hats", "10.00 EUR", "in_stock", "https://shop.example/linked"),
        ("bare", hostile, "red", ["red", "red", "blue"], "Hats", "11.00 EUR", "in_stock"),
    ]
    _take(application, tmp_path / "boutique", "boutique", rows)
    key = application.api_keys.create(
        "boutique", "pages", [Scope.SEARCH], is_public=True, allowed_origins=[shop_address]
    ).secret
    page = shop_page("shown", key=key)
    assert sorted(card["title"] for card in _cards(page)) == [hostile, "Linked"]
    assert page.run("return document.title") == "A shop"
    page.keys(Keys.TAB)
    focused = "return document.activeElement.shadowRoot?.activeElement?.href"
    assert page.run(focused) == "https://shop.example/linked"
    # What has no page of its own is no stop on the way.
    page.keys(Keys.TAB)
    assert page.run(focused) is None
    assert page.console() == []


def test_a_script_shows_what_it_is_told_to_where_it_is_told_to(shop_page):
    page = shop_page(
        "red-dress", 'data-title="" data-target="h1" data-filters="category=Dresses&amp;max_price=70&amp;currency=EUR"'
    )
    assert page.run("return told") == [{"name": "shown", "count": 1}]
    assert page.run("return document.querySelector('h1 > div').shadowRoot.querySelector('h2')") is None
    assert (
        page.run("return document.querySelector('h1 > div').shadowRoot.querySelector('.title').textContent") == "Dress"
    )
    assert page.console() == []


@pytest.mark.parametrize(
    ("product", "more", "reason"),
    [
        ("no-such", "", "product_not_found"),
        ("", "", "data-key and data-product are needed"),
        ("red-dress", 'data-target="#none"', "nothing is at #none"),
    ],
)
def test_what_goes_wrong_leaves_the_shop_s_page_as_it_is(shop_page, product, more, reason):
    page = shop_page(product, more)
    [told] = page.run("return told")
    assert (told["name"], reason in told["reason"]) == ("failed", True), told
    assert page.run("return document.querySelectorAll('main > div').length") == 0
    warned = [line for line in page.console() if "Drape has no similar items to show" in line]
    assert len(warned) == 1


def test_a_key_of_another_site_shows_nothing(shop_page, application):
    elsewhere = application.api_keys.create(
        "atelier", "others", [Scope.SEARCH], is_public=True, allowed_origins=["https://elsewhere.example"]
    ).secret
    page = shop_page("red-dress", key=elsewhere)
    assert "origin_not_allowed" in page.run("return told[0].reason")
