"""The page in a real browser where not all is well: nothing there, nothing found, slow, down, busy, offline, no key."""

from __future__ import annotations

import re
import threading

import pytest
from selenium.webdriver.common.keys import Keys

from catalog.request_rates import Period, RequestRate
from catalog.storefront.app import create_app
from catalog.storefront.errors import TooManyRequests
from catalog.types import Scope
from tests.chromium import NEEDS_CHROMIUM, Page, serving
from tests.integration.services.conftest import picture
from tests.integration.storefront.conftest import anybody

pytestmark = NEEDS_CHROMIUM


@pytest.fixture
def searches(application, monkeypatch):
    """Has searches by a product answered by a function of the answer that they would have: ``searches(instead)``."""
    service = type(application.search)
    answer = service.by_product

    def replace(instead) -> None:
        monkeypatch.setattr(service, "by_product", lambda *asked, **named: instead(lambda: answer(*asked, **named)))

    yield replace
    monkeypatch.setattr(service, "by_product", answer)


def test_an_empty_catalog_says_how_to_fill_it(browser, application):
    with serving(create_app(application, open_to=anybody(application, "newcomer"))) as address:
        page = Page(browser, address)
        browser.get_log("browser")
        page.open()
        page.until(lambda: "nothing to search yet" in page.one("#start-notice").text)
        assert "drape ingest" in page.one("#start-notice").text
        # There is nothing that a photo could find.
        assert not page.one("#drop").is_displayed()
        page.look("empty-catalog")
        assert page.console() == []


def test_a_product_that_is_not_there_is_named(page):
    page.open("#product=no-such")
    assert "No such product" in page.notice()
    page.look("no-such-product")
    page.press("Back to the start")
    page.until(lambda: "4 products" in page.one("#catalog-size").text)
    # The browser notes the status by itself.
    assert all("404" in line for line in page.console())


def test_no_hits_lead_back_to_some(page):
    page.open("#product=red-dress&all=color%3Dblue&max=50&currency=EUR")
    page.until(lambda: "without one of them" in page.notice())
    page.look("no-hits")
    page.open("#product=red-dress&all=color%3Dblue&min=5000&currency=EUR&none=color%3Dred")
    page.until(lambda: "Nothing matches all of these filters" in page.notice())
    assert page.one("#status").text == "Nothing found"
    assert page.console() == []


def test_slow_answers_are_waited_for_in_sight_and_can_be_given_up(page, searches):
    waiting = threading.Event()

    def slow(answer):
        waiting.wait(10)
        return answer()

    page.open()
    page.until(lambda: "4 products" in page.one("#catalog-size").text)
    searches(slow)
    page.one("#start-id").send_keys("blue-dress", Keys.ENTER)
    page.until(lambda: page.all("#grid .skeleton"))
    page.until(lambda: page.one("#status").text == "Looking…")
    page.look("slow")
    page.one("#stop").click()
    assert "You stopped this search" in page.notice()
    assert page.has_focus("#notice button")
    page.look("stopped")
    page.press("Search again")
    page.until(lambda: page.all("#grid .skeleton"))
    waiting.set()
    assert len(page.until(page.hits)) == 3
    assert page.all("#grid .skeleton") == []
    assert not page.one("#stop").is_displayed()
    assert page.console() == []


def test_a_failure_of_the_service_has_an_id_and_another_try(page, searches):
    def fail(answer):
        raise RuntimeError("a defect")

    searches(fail)
    page.open("#product=red-dress")
    page.until(lambda: "Something went wrong here" in page.notice())
    assert "tell the operator the id" in page.notice()
    assert "defect" not in page.one("body").text
    page.look("server-error")
    searches(lambda answer: answer())
    page.press("Try again")
    assert len(page.until(page.hits)) == 3
    assert all("500" in line for line in page.console())


def test_a_busy_service_is_asked_again_when_it_says_so(page, searches):
    asked = []

    def busy(answer):
        asked.append(None)
        if len(asked) == 1:
            raise TooManyRequests("More requests wait than can be answered in time")
        return answer()

    searches(busy)
    page.open("#product=red-dress")
    page.until(lambda: "Too many searches at once" in page.notice())
    assert "goes on by itself in" in page.notice()
    # Two seconds, as Retry-After says; nobody presses anything.
    assert len(page.until(page.hits)) == 3
    assert len(asked) == 2
    asked.clear()
    page.open("#product=blue-dress")
    page.until(lambda: "Too many searches at once" in page.notice())
    page.press("Try now")
    assert len(page.until(page.hits)) == 3
    assert all("503" in line for line in page.console())


def test_who_asks_too_often_is_told_for_how_long(browser, application):
    rate = RequestRate(1, Period.HOUR)
    key = application.api_keys.create("atelier", "seldom", [Scope.SEARCH], rate_limit=rate).secret
    with serving(create_app(application)) as address:
        page = Page(browser, address)
        browser.get_log("browser")
        page.open()
        page.until(lambda: page.one("#key-dialog").is_displayed())
        page.one("#key").send_keys(key, Keys.ENTER)
        page.until(lambda: not page.one("#key-dialog").is_displayed())
        page.one("#start-id").send_keys("red-dress", Keys.ENTER)
        page.until(lambda: "Too many searches at once" in page.notice())
        told = page.one("#notice").text
        assert re.search(r"in \d+ (s|min)\.", told), told
        page.look("too-many-requests")
        page.one("#forget-key").click()
        assert all("401" in line or "429" in line for line in page.console())


def test_it_goes_on_by_itself_once_it_is_online_again(page):
    page.open("#product=red-dress")
    assert len(page.hits()) == 3
    page.browser.set_network_conditions(offline=True, latency=0, throughput=0)
    try:
        page.one(".another summary").click()
        page.one("#side-id").send_keys("red-skirt", Keys.ENTER)
        page.until(lambda: "You are offline" in page.notice())
        page.look("offline")
    finally:
        page.browser.delete_network_conditions()
    page.until(lambda: not page.one("#notice").text)
    assert "red-dress" in page.until(page.hits)


def test_a_photo_goes_with_the_page_and_the_filters_stay(page, tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(picture("blue"))
    page.open("#all=color%3Dred")
    # A link that was made of a search with a photo: the filters wait for another one.
    page.until(lambda: page.one("#start-tokens").text.startswith("color: red"))
    page.look("start-with-filters")
    page.one("#file").send_keys(str(photo))
    page.until(lambda: page.one("#query-photo").is_displayed())
    assert sorted(page.hits()) == ["half/half", "red-dress", "red-skirt"]
    page.browser.refresh()
    page.until(lambda: "Your photo is no longer here" in page.one("#start-notice").text)
    assert page.one("#start-tokens").text.startswith("color: red")
    assert page.console() == []


def test_it_fits_a_phone_and_the_dark(page):
    with page.phone(), page.media(prefers_color_scheme="dark", prefers_reduced_motion="reduce"):
        page.open("#product=red-dress&none=color%3Dgreen")
        assert len(page.hits()) == 3
        assert page.run("return document.documentElement.scrollWidth") == 390
        assert not page.one("#facets").is_displayed()
        page.one("#filters summary").click()
        page.until(lambda: page.one("#facets").is_displayed())
        page.check_accessibility()
        page.keep("results-phone-dark")
        page.open()
        page.until(lambda: "4 products" in page.one("#catalog-size").text)
        assert page.run("return document.documentElement.scrollWidth") == 390
        page.keep("start-phone-dark")
        # What a thumb must hit is at least 24 pixels each way (WCAG 2.2, 2.5.8).
        small = page.run(
            "return [...document.querySelectorAll('button, summary')].filter((one) => one.checkVisibility())"
            ".map((one) => one.getBoundingClientRect()).filter(({ width, height }) => width < 24 || height < 24).length"
        )
        assert small == 0
    assert page.console() == []


def test_a_key_is_asked_for_once_and_stays_out_of_the_address(browser, application, keys):
    with serving(create_app(application)) as address:
        page = Page(browser, address)
        browser.get_log("browser")
        page.open("#product=red-dress")
        page.until(lambda: page.one("#key-dialog").is_displayed())
        # That nobody has entered a key yet is no mistake: nothing behind the dialog is wrong, and it leads back to it.
        assert page.notice().startswith("A key opens this catalog")
        assert page.all(".notice.wrong") == []
        page.look("key-missing")
        page.one("#key-cancel").click()
        page.look("key-not-now")
        page.press("Enter a key")
        page.one("#key").send_keys("drape_sk_" + "a" * 43, Keys.ENTER)
        page.until(lambda: "refused" in page.one("#key-error").text)
        assert page.all(".notice.wrong")
        page.look("key-refused")
        page.one("#key-cancel").click()
        page.press("Enter a key")
        page.one("#key").send_keys(keys["atelier"], Keys.ENTER)
        page.until(lambda: len(page.hits()) == 3)
        # Photos come with the key, too.
        page.until(lambda: len(page.all("#grid .shot img.there[src^='blob:']")) == 3)
        assert keys["atelier"] not in browser.current_url
        browser.refresh()
        assert len(page.until(page.hits)) == 3
        page.one("#forget-key").click()
        page.until(lambda: page.one("#key-dialog").is_displayed())
        page.open()
        page.until(lambda: page.one("#key-dialog").is_displayed())
        assert page.one("#start-notice").text.startswith("A key opens this catalog")
        assert page.all(".notice.wrong") == []
        page.look("key-missing-at-start")
        assert all("401" in line for line in page.console())
