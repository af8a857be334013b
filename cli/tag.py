"""``drape tag``: what a photo shows, in the attributes that the merchant's model knows."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson, OptionalMerchant
from cli.search import only_merchant, parse_crop, read_photo

if TYPE_CHECKING:
    from catalog.services.photo_queries.tagging import TaggedPhoto


def tag(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="An image file.")],
    merchant: OptionalMerchant = None,
    crop: Annotated[
        str | None,
        typer.Option("--crop", metavar="LEFT,TOP,RIGHT,BOTTOM", help="The item's box in pixels of the photo."),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", "-n", min=1, max=100, help="Values told of each group of attributes, at most.")
    ] = 3,
    min_confidence: Annotated[
        float, typer.Option("--min-confidence", min=0, max=1, help="Values that are less sure are left out.")
    ] = 0.05,
    as_json: AsJson = False,
) -> None:
    """Tell which attributes a photo shows, and how sure the model of the merchant's gallery is of each."""
    from catalog.bootstrap import Application, settings_from_environment
    from embeddings.crop_box import CropBox

    box = None if crop is None else CropBox(*parse_crop(crop))
    settings = settings_from_environment()
    image = read_photo(photo, settings.max_image_bytes)
    with Application(settings) as application:
        name = merchant or only_merchant(application)
        tagged = application.tagging.tag(name, image, box, top=top, min_confidence=min_confidence)
    if as_json:
        print(json.dumps(_as_json(tagged), ensure_ascii=False))
    else:
        _print(tagged)


def _as_json(tagged: TaggedPhoto) -> dict[str, object]:
    return {
        "groups": [
            {
                "group": group.group,
                "exclusive": group.is_exclusive,
                "values": [{**asdict(one), "confidence": round(one.confidence, 4)} for one in group.tags],
            }
            for group in tagged.groups
        ],
        "model_version": tagged.model_version,
        "timings_ms": {stage: round(value, 3) for stage, value in tagged.timings_ms.items()},
    }


def _print(tagged: TaggedPhoto) -> None:
    from rich.table import Table
    from rich.text import Text

    from cli.consoles import table_console
    from cli.hit_wording import plain_text, share_text

    if not tagged.groups:
        print(f"{tagged.model_version} is sure enough of nothing; --min-confidence 0 shows all that it knows.")
        return
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("attribute")
    table.add_column("values, and how sure the model is", overflow="fold")
    for group in tagged.groups:
        values = ", ".join(f"{plain_text(one.value)} {share_text(one.confidence)}" for one in group.tags)
        table.add_row(Text(plain_text(group.group)), Text(values))
    table_console().print(table)
