"""The page's files: how they are served, and that they name nothing which is not there."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from fastapi import FastAPI

from catalog.storefront.routes import page
from catalog.storefront.routes.page import page_files

NAMES = sorted(page_files().others)
TEXTS = {"index.html": page_files().index.decode()} | {name: page_files().others[name].decode() for name in NAMES}
SVG_NAMESPACE = "http://www.w3.org/2000/svg"


def ask(path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    app = FastAPI()
    app.include_router(page.router)

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://drape.example") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(asked())


def test_the_page_may_run_and_show_its_own_files_alone():
    answered = ask("/")
    assert (answered.status_code, answered.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = answered.headers["content-security-policy"].split("; ")
    assert {"default-src 'self'", "img-src 'self' blob: data:", "frame-ancestors 'none'"} <= set(policy)
    assert "unsafe" not in answered.headers["content-security-policy"]


def test_browsers_ask_again_for_the_page_and_never_for_its_files():
    first = ask("/")
    assert first.headers["cache-control"] == "no-cache"
    assert ask("/", {"If-None-Match": f'W/"other", {first.headers["etag"]}'}).status_code == 304
    assert ask("/", {"If-None-Match": '"other"'}).status_code == 200
    for path in re.findall(r'(?:href|src)="(page/[^"]+)"', first.text):
        answered = ask(f"/{path}")
        assert (answered.status_code, path.split("/")[1]) == (200, page_files().version)
        assert answered.headers["cache-control"] == "public, max-age=31536000, immutable"
    # A page of another version is served the file that there is, which nothing may keep under that address.
    assert ask("/page/0123456789abcdef/app.js").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", NAMES)
def test_files_have_their_types(name):
    kinds = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    assert ask(f"/page/any/{name}").headers["content-type"] == kinds[name.rpartition(".")[2]]


@pytest.mark.parametrize("path", ["/page/any/index.html", "/page/any/none.js", "/page/any/..%2Fapp.py", "/page/app.js"])
def test_there_are_no_other_files(path):
    assert ask(path).status_code == 404


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_no_foreign_host_is_named(name):
    text = TEXTS[name].replace(SVG_NAMESPACE, "")
    assert re.findall(r"https?://|[\"'(]//\w|@import", text) == []


def test_nothing_stands_in_the_page_that_its_policy_forbids():
    index = TEXTS["index.html"]
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", index) == []
    scripts = "".join(text for name, text in TEXTS.items() if name.endswith(".js"))
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", scripts) == []


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".js")])
def test_scripts_import_what_there_is(name):
    for names, module in re.findall(r'import \{([^}]+)\} from "\./([^"]+)"', TEXTS[name]):
        exported = set(re.findall(r"^export (?:async )?(?:function|const|class) (\w+)", TEXTS[module], re.MULTILINE))
        assert {one.strip() for one in names.split(",")} <= exported, module


def test_scripts_and_labels_refer_to_elements_that_the_page_has():
    ids = re.findall(r'\bid="([^"]+)"', TEXTS["index.html"])
    assert len(ids) == len(set(ids))
    scripts = "".join(text for name, text in TEXTS.items() if name.endswith(".js"))
    used = set(re.findall(r'byId\("([^"]+)"\)', scripts))
    used |= set(re.findall(r'(?:\bfor|aria-labelledby|aria-describedby)="([^"]+)"', TEXTS["index.html"]))
    assert len(used) > 30
    assert used <= set(ids)
