"""The page in a real browser, Debian's Chromium: what visitors do with it, on the API of two small catalogs."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from catalog.storefront.app import create_app
from catalog.storefront.server import listen
from catalog.types import Caller, Scope
from tests.integration.services.conftest import picture

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None or DRIVER is None, reason="needs Chromium: apt-get install chromium chromium-driver"
    ),
]

_AXE_RUN = """
const done = arguments[0];
axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}).then(
  (found) => done(found.violations.map(({id, nodes}) => `${id}: ${nodes.map(({html}) => html).join(" ")}`)),
);
"""


class Page:
    """A tab with the page in it."""

    def __init__(self, browser: webdriver.Chrome, address: str) -> None:
        self.browser = browser
        self.address = address

    def open(self, fragment: str = "") -> None:
        # Another fragment alone would load nothing.
        self.browser.get("about:blank")
        self.browser.get(f"{self.address}/{fragment}")

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def until(self, condition: Callable[[], Any]) -> Any:
        return WebDriverWait(self.browser, 15, poll_frequency=0.05).until(lambda _: condition())

    def hits(self) -> list[str]:
        """The products that are shown, once they are."""
        self.until(lambda: self.one("#work").is_displayed() and self.one("#grid").get_attribute("aria-busy") == "false")
        return self.browser.execute_script(
            "return [...document.querySelectorAll('#grid .card')].map((card) => card.dataset.product)"
        )

    def keys(self, *pressed: str) -> None:
        for one in pressed:
            self.browser.switch_to.active_element.send_keys(one)

    def focus(self, selector: str) -> None:
        self.browser.execute_script("document.querySelector(arguments[0]).focus()", selector)

    def set_media(self, **features: str) -> None:
        told = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": told})

    def check_accessibility(self) -> None:
        axe = resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
        # What fades in has too little contrast until it is there.
        self.until(lambda: self.browser.execute_script("return document.getAnimations().length") == 0)
        self.browser.execute_script(axe)
        assert self.browser.execute_async_script(_AXE_RUN) == []

    def console(self) -> list[str]:
        """What the console tells, which is nothing where all is well."""
        return [line["message"] for line in self.browser.get_log("browser")]


@contextlib.contextmanager
def serving(app) -> Iterator[str]:
    """The address of the application on a server of its own thread."""
    with listen("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.add_argument("--window-size=1280,900")
    options.add_argument("--lang=en-GB")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def open_address(application) -> Iterator[str]:
    """The page of ``atelier``, which needs no key."""
    with application.unit_of_work() as work:
        merchant_id = work.merchants.id_of("atelier")
    caller = Caller("atelier", merchant_id, 0, frozenset({Scope.SEARCH}), (), is_public=False)
    with serving(create_app(application, open_to=caller)) as address:
        yield address


@pytest.fixture
def page(browser, open_address) -> Page:
    browser.get_log("browser")
    return Page(browser, open_address)


def test_from_a_product_over_a_reason_to_another_product_and_back(page):
    page.open()
    page.until(lambda: "4 products" in page.one("#catalog-size").text)
    page.check_accessibility()
    page.one("#start-id").send_keys("red-dress", Keys.ENTER)
    everything = page.hits()
    assert sorted(everything) == ["blue-dress", "half/half", "red-skirt"]
    # By keyboard alone: open the menu of a reason, choose its first item, which demands it.
    chip = "#grid [data-product='red-skirt'] .chip[data-attribute='color=red']"
    page.focus(chip)
    page.keys(Keys.ENTER)
    page.until(lambda: [item.text for item in page.all("[role=menuitem]")][:2] == ["Only red", "Without red"])
    page.keys(Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ENTER)
    page.until(lambda: page.one("#tokens").text.startswith("color: red"))
    demanded = page.hits()
    assert sorted(demanded) == ["half/half", "red-skirt"]
    assert page.browser.current_url.endswith("#product=red-dress&all=color%3Dred")
    # Whoever pressed a reason is not thrown back to the start of the page when the cards change.
    assert page.browser.switch_to.active_element.get_attribute("id") == "results-title"
    page.one("#grid [data-product='half/half'] .shot").click()
    page.until(lambda: page.one("#asked-id").text == "half/half")
    assert len(page.hits()) == 3
    assert page.one("#asked-title").text == "Jacket"
    page.browser.back()
    page.until(lambda: page.one("#asked-id").text == "red-dress")
    assert page.hits() == demanded
    page.browser.back()
    page.until(lambda: not page.all("#tokens li"))
    assert page.hits() == everything
    page.check_accessibility()
    assert page.console() == []


def test_a_link_leads_to_what_it_was_made_of_and_a_dead_end_shows_the_ways_out(page):
    page.open("#product=red-dress&category=Women&none=color%3Dred&mode=native")
    assert page.hits() == ["blue-dress"]
    assert [token.text.replace("\n", "") for token in page.all("#tokens .token")] == ["Women×", "not color: red×"]
    page.open("#product=red-dress&all=color%3Dblue&max=50&currency=EUR")
    assert page.hits() == []
    ways = page.until(lambda: [way.text for way in page.all("#notice button") if "Take off" in way.text])
    # Without the colour there is red-skirt for 40 EUR; without the price there is blue-dress.
    assert sorted(ways) == ["Take off “color: blue” (1 product)", "Take off “up to 50 EUR” (1 product)"]
    page.check_accessibility()
    next(way for way in page.all("#notice button") if "50 EUR" in way.text).click()
    page.until(lambda: page.hits() == ["blue-dress"])
    assert page.console() == []


def test_a_photo_is_searched_with_and_a_box_on_it_moved_by_keyboard(page, tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(picture("blue"))
    page.open()
    page.one("#file").send_keys(str(photo))
    page.until(lambda: page.one("#query-photo").is_displayed())
    assert page.hits()[0] == "blue-dress"
    assert page.one("#status").text == "4 items like your photo"
    page.one("#crop-start").click()
    page.until(lambda: page.one("#status").text == "4 items like the box in your photo")
    before = page.one("#crop").get_attribute("aria-label")
    page.keys(Keys.ARROW_RIGHT)
    assert page.one("#crop").get_attribute("aria-label") != before
    assert page.hits()[0] == "blue-dress"
    page.check_accessibility()
    page.one("#crop-clear").click()
    page.until(lambda: page.one("#status").text == "4 items like your photo")
    broken = Path(tmp_path / "broken.png")
    broken.write_bytes(b"no photo")
    page.one("#file").send_keys(str(broken))
    assert "not a photo" in page.until(lambda: page.one("#notice").text)
    # The photo is in no address: whoever gets the link begins anew.
    assert page.browser.current_url == f"{page.address}/"
    assert page.console() == []


def test_what_goes_wrong_is_said_with_what_to_do(page):
    page.open("#product=no-such")
    page.until(lambda: page.one("#notice").text)
    assert "No such product" in page.one("#notice").text
    page.check_accessibility()
    # The browser notes the status by itself.
    assert all("404" in line for line in page.console())
    page.browser.set_network_conditions(offline=True, latency=0, throughput=0)
    try:
        page.one(".another summary").click()
        page.one("#side-id").send_keys("red-skirt", Keys.ENTER)
        page.until(lambda: "does not answer" in page.one("#notice").text)
    finally:
        page.browser.delete_network_conditions()
    next(button for button in page.all("#notice button") if button.text == "Try again").click()
    assert "red-dress" in page.until(page.hits)


def test_it_fits_a_phone_and_the_dark(page):
    metrics = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    page.set_media(prefers_color_scheme="dark", prefers_reduced_motion="reduce")
    try:
        page.open("#product=red-dress&none=color%3Dgreen")
        assert len(page.hits()) == 3
        assert page.browser.execute_script("return document.documentElement.scrollWidth") == 360
        assert not page.one("#facets").is_displayed()
        page.one("#filters summary").click()
        page.until(lambda: page.one("#facets").is_displayed())
        page.check_accessibility()
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.set_media()
    assert page.console() == []


def test_a_key_is_asked_for_once_and_stays_out_of_the_address(browser, application, keys):
    with serving(create_app(application)) as address:
        page = Page(browser, address)
        browser.get_log("browser")
        page.open("#product=red-dress")
        page.until(lambda: page.one("#key-dialog").is_displayed())
        page.check_accessibility()
        page.one("#key").send_keys("drape_sk_" + "a" * 43, Keys.ENTER)
        page.until(lambda: "refused" in page.one("#key-error").text)
        page.one("#key-cancel").click()
        next(button for button in page.all("#notice button") if button.text == "Enter a key").click()
        page.one("#key").send_keys(keys["atelier"], Keys.ENTER)
        page.until(lambda: len(page.hits()) == 3)
        # Photos come with the key, too.
        page.until(lambda: len(page.all("#grid .shot img.there[src^='blob:']")) == 3)
        assert keys["atelier"] not in browser.current_url
        browser.refresh()
        assert len(page.until(page.hits)) == 3
        page.one("#forget-key").click()
        page.until(lambda: page.one("#key-dialog").is_displayed())
        assert all("401" in line for line in page.console())


def test_slow_answers_are_waited_for_in_sight(page, application, monkeypatch):
    answer = type(application.search).by_product

    def slow(*arguments, **named):
        time.sleep(1.5)
        return answer(*arguments, **named)

    page.open()
    page.until(lambda: "4 products" in page.one("#catalog-size").text)
    monkeypatch.setattr(type(application.search), "by_product", slow)
    page.one("#start-id").send_keys("blue-dress", Keys.ENTER)
    page.until(lambda: page.all("#grid .skeleton"))
    assert page.one("#status").text == "Looking…"
    assert len(page.until(page.hits)) == 3
    assert page.all("#grid .skeleton") == []


def test_products_are_compared_side_by_side(page):
    page.open("#product=red-dress")
    assert len(page.hits()) == 3
    for product in ("red-skirt", "blue-dress"):
        page.one(f"#grid [data-compare='{product}']").click()
    page.one("#compare-open").click()
    rows = {row.text.split(" ", 1)[0]: row for row in page.all("#compare-table tbody tr")}
    assert rows["Color"].text == "Color red blue"
    assert rows["Color"].get_attribute("class") == "differs"
    assert rows["Price"].text == "Price €40.00 €60.50"
    page.check_accessibility()
    page.all("#compare-table thead button")[1].click()
    page.until(lambda: page.one("#asked-id").text == "blue-dress")
    assert not page.one("#compare-dialog").is_displayed()
    assert page.one("#grid [data-compare='red-skirt']").is_selected()
    page.one("#compare-clear").click()
    assert not page.one("#tray").is_displayed()
    assert page.console() == []


def test_a_box_is_drawn_with_a_pointer(page, tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(picture("red", "blue"))
    page.open()
    page.one("#file").send_keys(str(photo))
    assert len(page.hits()) == 4
    width, height = (page.one("#photo").size[name] for name in ("width", "height"))
    drawn = ActionChains(page.browser).move_to_element(page.one("#photo")).click_and_hold()
    drawn.move_by_offset(width // 8, height // 8).move_by_offset(width // 8, height // 8).release().perform()
    # From the middle on, a quarter of each side: a sixteenth of the photo, give or take a pixel.
    label = page.one("#crop").get_attribute("aria-label")
    assert int(label.split(": ")[1].split(" %")[0]) in (5, 6, 7), label
    page.until(lambda: page.one("#status").text == "4 items like the box in your photo")
    assert page.console() == []


def test_words_and_changed_attributes_are_offered_where_the_api_takes_them(page, shop):
    taken = shop.get("/openapi.json").json()["components"]["schemas"]["Query"]["properties"]
    page.open()
    page.until(lambda: "4 products" in page.one("#catalog-size").text)
    page.until(lambda: page.one("#start-words").is_displayed() == ("words" in taken))
    page.open("#product=red-skirt")
    assert len(page.hits()) == 3
    page.one("#grid [data-product='red-dress'] .chip[data-attribute='color=red']").click()
    page.until(lambda: page.all("[role=menuitem]"))
    offered = [item.text for item in page.all("[role=menuitem]")]
    assert ("Change red to …" in offered) == ("but" in taken)
    if "but" in taken:
        page.all("[role=menuitem]")[-1].click()
        assert [item.text for item in page.all("[role=menuitem]")] == ["blue"]
        page.keys(Keys.ENTER)
        page.until(lambda: page.one("#changes").text.startswith("but color: blue"))
        assert page.hits()[0] == "blue-dress"
        assert page.browser.current_url.endswith("#product=red-skirt&but=color%3Dblue")
    if "words" in taken:
        page.open()
        page.until(lambda: page.one("#start-words").is_displayed())
        page.one("#start-words").send_keys("blue dress", Keys.ENTER)
        assert page.hits()[0] == "blue-dress"
        page.check_accessibility()
    assert page.console() == []
