"""Debian's Chromium, without a window: a tab with the page in it, and what is looked at there."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Final

import pytest
import uvicorn
from fastapi import FastAPI
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from catalog.storefront.server import listen

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

NEEDS_CHROMIUM: Final = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None or DRIVER is None, reason="needs Chromium: apt-get install chromium chromium-driver"
    ),
]

SCREENSHOTS: Final = Path(os.environ.get("DRAPE_SCREENSHOTS", Path(__file__).parents[1] / "build" / "screenshots"))
"""Where pictures of what the tests saw are kept."""

_RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RULES_OF_COLOR: Final = ["color-contrast"]

PHONE: Final = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}

_AXE_RUN: Final = """
const [rules, done] = arguments;
axe.run({runOnly: rules, resultTypes: ["violations"]}).then(
  (found) => done(found.violations.map(({id, nodes}) => `${id}: ${nodes.map(({html}) => html).join(" ")}`)),
);
"""


@contextlib.contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    """A browser that remembers nothing of an earlier one."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--lang=en-GB",
        "--hide-scrollbars",
    ):
        options.add_argument(argument)
    options.add_argument("--window-size=1280,900")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


@contextlib.contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The address of an application on a server of its own thread."""
    with listen("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


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

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def until(self, condition: Callable[[], Any]) -> Any:
        # What is looked at may be drawn anew at any moment.
        wait = WebDriverWait(self.browser, 20, poll_frequency=0.05, ignored_exceptions=[StaleElementReferenceException])
        return wait.until(lambda _: condition())

    def hits(self) -> list[str]:
        """The products that are shown, once they are."""
        self.until(lambda: self.one("#work").is_displayed() and self.one("#grid").get_attribute("aria-busy") == "false")
        return self.run("return [...document.querySelectorAll('#grid .card')].map((card) => card.dataset.product)")

    def notice(self) -> str:
        """What is said in the stead of hits, once it is."""
        return self.until(lambda: self.one("#notice").text)

    def press(self, label: str) -> None:
        """Press the button of a notice that has this label."""
        next(button for button in self.all(".notice button") if button.text == label).click()

    def keys(self, *pressed: str) -> None:
        for one in pressed:
            self.browser.switch_to.active_element.send_keys(one)

    def focus(self, selector: str) -> None:
        self.run("document.querySelector(arguments[0]).focus()", selector)

    def has_focus(self, selector: str) -> bool:
        return self.run("return document.activeElement?.matches(arguments[0])", selector)

    @contextlib.contextmanager
    def media(self, **features: str) -> Iterator[None]:
        """Visitors who want it dark, or without motion."""
        told = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": told})
        try:
            yield
        finally:
            self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

    @contextlib.contextmanager
    def phone(self) -> Iterator[None]:
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
        try:
            yield
        finally:
            self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def look(self, name: str, *, on_phone: bool = True) -> None:
        """Hold what is shown to the rules for accessibility, in light and dark; keep pictures, and one of a phone.

        Args:
            on_phone: False for what goes when the window changes.
        """
        if on_phone:
            self.run("scrollTo(0, 0)")
        for scheme in ("light", "dark"):
            with self.media(prefers_color_scheme=scheme, prefers_reduced_motion="reduce"):
                self.check_accessibility(_RULES if scheme == "light" else _RULES_OF_COLOR)
                self.keep(f"{name}-{scheme}")
        if not on_phone:
            return
        with self.phone(), self.media(prefers_reduced_motion="reduce"):
            assert self.run("return document.documentElement.scrollWidth") <= PHONE["width"]
            self.keep(f"{name}-phone")

    def keep(self, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.browser.save_screenshot(str(SCREENSHOTS / f"{name}.png"))

    def check_accessibility(self, rules: list[str] = _RULES) -> None:
        # What fades in has too little contrast until it is there.
        self.until(lambda: self.run("return document.getAnimations().length") == 0)
        if not self.run("return 'axe' in window"):
            self.run(resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
        assert self.browser.execute_async_script(_AXE_RUN, rules) == []

    def console(self) -> list[str]:
        """What the console tells since it was last asked, which is nothing where all is well."""
        return [line["message"] for line in self.browser.get_log("browser")]
