"""``/docs``: the API's description to read and try out, from files of this process alone."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, Response

from catalog.storefront.edge import OWN_FILES

router = APIRouter(include_in_schema=False)

_FILES: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Swagger UI."""
    root = request.scope.get("root_path", "").rstrip("/")
    page = get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title="Drape",
        swagger_js_url=f"{root}/docs/swagger-ui-bundle.js",
        swagger_css_url=f"{root}/docs/swagger-ui.css",
        swagger_favicon_url=f"{root}/docs/favicon-32x32.png",
    )
    page.headers["Content-Security-Policy"] = OWN_FILES
    return page


@router.get("/docs/{name}")
async def docs_file(name: Annotated[str, Path()]) -> Response:
    """One of its files."""
    if name not in _FILES:
        raise HTTPException(404)
    return Response(_file(name), media_type=_FILES[name], headers={"Cache-Control": "public, max-age=86400"})


@cache
def _file(name: str) -> bytes:
    return resources.files("fastapi_swagger.resources").joinpath(name).read_bytes()
