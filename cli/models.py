"""``drape model``: model versions, looked at, carried between machines and switched to."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.command_line import command_line
from cli.options import AsJson, OptionalMerchant
from cli.whitening import whiten_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from catalog.bootstrap import Application
    from embeddings.export.agreement import Agreement
    from embeddings.export.calibration import CalibrationImages
    from embeddings.manifest import ModelManifest
    from embeddings.model_store import ModelVersion

app = typer.Typer(help="Look at model versions, carry them elsewhere, change to them.", no_args_is_help=True)
app.command("whiten")(whiten_version)

Version = Annotated[str, typer.Argument(metavar="VERSION", help="A model version.")]


class ExportFormat(StrEnum):
    """What a model version can be written as."""

    ARCHIVE = "archive"
    TFLITE = "tflite"


class FilePrecision(StrEnum):
    """What the numbers of an exported network are stored as."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"


CalibrationFolder = Annotated[
    Path | None,
    typer.Option(
        "--calibration-images",
        metavar="FOLDER",
        help="Photos to round int8's weights by, and to compare on; default: the merchant's.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Decides which photos those are.")]


@app.command("list")
def list_versions(as_json: AsJson = False) -> None:
    """List the model versions on this machine, those that come with Drape included."""
    from catalog.bootstrap import Application, settings_from_environment
    from embeddings.errors import UnusableModel

    manifests: list[ModelManifest] = []
    damaged: dict[str, str] = {}
    with Application(settings_from_environment()) as application:
        for name in application.model_store.list():
            try:
                manifests.append(application.model_store.open(name).manifest)
            except UnusableModel as error:
                damaged[name] = str(error)
        live = application.status.live_versions()
    if as_json:
        body = {"versions": [manifest.to_json() for manifest in manifests], "live": live, "damaged": damaged}
        print(json.dumps(body, ensure_ascii=False))
        return
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    table.add_column("version", no_wrap=True)
    for column in ("networks", "input", "precision", "features", "attributes", "made", "live for"):
        table.add_column(column, overflow="fold")
    for manifest in manifests:
        table.add_row(
            manifest.version,
            ", ".join(f"{network.trunk} + {network.head}" for network in manifest.networks),
            f"{manifest.input_size} px",
            manifest.precision.value,
            ", ".join(f"{name} {feature.size}" for name, feature in manifest.features.items()),
            str(len(manifest.taxonomy)),
            manifest.created.isoformat(),
            ", ".join(_live_for(manifest.version, live)),
        )
    console = _plain_console()
    console.print(table)
    for name, reason in damaged.items():
        console.print(f"{name} cannot be used: {reason}")


def _plain_console() -> Console:
    """Prints texts as they are: names in manifests come from anywhere, and none of them is markup."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False)


def _live_for(version: str, live: Mapping[str, Sequence[str]]) -> list[str]:
    """The merchants that search with a version, in whatever precision."""
    from embeddings.manifest import Precision

    found: list[str] = []
    for name, merchants in live.items():
        if name == version:
            found.extend(merchants)
        for precision in Precision:
            if name == f"{version}.{precision}":
                found.extend(f"{merchant} ({precision})" for merchant in merchants)
    return sorted(found)


@app.command("show")
def show_version(version: Version, as_json: AsJson = False) -> None:
    """Show one model version: networks, features, training data and scores."""
    from catalog.bootstrap import Application, settings_from_environment

    with Application(settings_from_environment()) as application:
        found = application.model_store.open(version)
        found.verify()
    if as_json:
        print(json.dumps(found.manifest.to_json(), ensure_ascii=False))
        return
    _print_manifest(found.manifest)


def _print_manifest(manifest: ModelManifest) -> None:
    from rich.text import Text

    console = _plain_console()
    provenance = manifest.provenance
    console.print(Text.assemble((manifest.version, "bold"), f", {manifest.input_size} px, {manifest.precision}"))
    for network in manifest.networks:
        console.print(f"  network     {network.trunk} + {network.head}, {network.weights} ({network.sha256[:12]}…)")
    if manifest.int8 is not None:
        int8 = manifest.int8
        console.print(f"  int8        {int8.file} ({int8.sha256[:12]}…), {int8.calibration}")
    if manifest.whitening is not None:
        whitening = manifest.whitening
        shrunk = f", shrinkage {whitening.shrinkage:g}" if whitening.shrinkage else ""
        console.print(
            f"  whitening   {manifest.visual_feature} of {whitening.size_before} components, fitted on "
            f"{whitening.fitted_on}{shrunk} ({whitening.file}, {whitening.sha256[:12]}…)"
        )
    for name, feature in manifest.features.items():
        visual = " (searched by looks)" if name == manifest.visual_feature else ""
        console.print(f"  feature     {name}, {feature.size} components{visual}")
    console.print(f"  attributes  {len(manifest.taxonomy)}: {', '.join(manifest.taxonomy.names)}")
    console.print(f"  trained on  {provenance.data}, {provenance.num_images:,} images")
    console.print(f"  made by     {provenance.command}")
    for version, command in provenance.origins:
        console.print(f"  made of     {version}, made by {command}")
    for name, score in manifest.scores.items():
        console.print(f"  score       {name} {score:.3f}")


@app.command("activate")
def activate_version(version: Version, merchant: OptionalMerchant = None, as_json: AsJson = False) -> None:
    """Search with a model version whose gallery is built already, such as the one before the last `drape reindex`.

    Embeds nothing and takes effect at once, in one step. A gallery that is missing or behind is told: `drape reindex`
    builds it.
    """
    from catalog.bootstrap import Application, settings_from_environment
    from cli.search import only_merchant

    with Application(settings_from_environment()) as application:
        name = merchant or only_merchant(application)
        with application.unit_of_work() as work:
            merchant_id = work.merchants.id_of(name)
        gallery = application.galleries.activate(merchant_id, version)
    if as_json:
        print(json.dumps({"merchant": name, "model": gallery.model_version, "live": True}, ensure_ascii=False))
    else:
        print(f"{gallery.model_version} is live for {name}.")


@app.command("export")
def export_version(
    version: Version,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write.")],
    form: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            help="archive: the whole version, for `drape model import`. tflite: the network alone, for LiteRT.",
        ),
    ] = ExportFormat.ARCHIVE,
    precision: Annotated[
        FilePrecision | None, typer.Option("--precision", help="What a tflite file stores; default: float16.")
    ] = None,
    merchant: OptionalMerchant = None,
    calibration_images: CalibrationFolder = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare a tflite file's neighbours and speed with the full network's.")
    ] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Write a model version into one file, whole or not at all."""
    from catalog.bootstrap import Application, settings_from_environment
    from catalog.errors import InvalidRequest
    from embeddings.export.archive import write_archive

    with_photos = merchant is not None or calibration_images is not None
    if form is ExportFormat.ARCHIVE and (check or precision is not None or with_photos):
        raise InvalidRequest(
            "An archive holds the model version as it is",
            received="--format archive with an option of tflite files",
            expected="--format tflite with --precision, --merchant, --calibration-images and --check",
        )
    agreement: Agreement | None = None
    stored = (precision or FilePrecision.FLOAT16) if form is ExportFormat.TFLITE else None
    if with_photos and stored is not FilePrecision.INT8 and not check:
        raise InvalidRequest(
            "Only int8 and a comparison have a use for photos",
            received=f"--merchant or --calibration-images with --precision {stored} and without --check",
            expected="--precision int8, or --check",
        )
    with Application(settings_from_environment()) as application:
        model = application.model_store.open(version)
        if stored is None:
            size = write_archive(model, out)
        else:
            sample = compared = None
            if stored is FilePrecision.INT8:
                sample = _calibration(application, model, merchant, calibration_images, seed)
            if check:
                # Another draw, so that of many photos most were not calibrated on.
                compared = _calibration(application, model, merchant, calibration_images, seed + 1)
            size, agreement = _write_litert(model, stored, sample, compared, out)
    if as_json:
        body = {
            "version": model.manifest.version,
            "format": form.value,
            "precision": stored,
            "file": str(out),
            "bytes": size,
            "agreement": None if agreement is None else asdict(agreement),
        }
        print(json.dumps(body, ensure_ascii=False))
        return
    print(f"Wrote {model.manifest.version} to {out} ({size / 1e6:.1f} MB).")
    if agreement is not None:
        _print_agreement(agreement)


def _calibration(
    application: Application, model: ModelVersion, merchant: str | None, folder: Path | None, seed: int
) -> CalibrationImages:
    """Photos of the folder, else of the merchant's catalog."""
    from catalog.errors import InvalidRequest
    from cli.search import only_merchant
    from embeddings.export.calibration import sample_folder

    if folder is not None and merchant is not None:
        raise InvalidRequest(
            "There are two sources of photos",
            received=f"--merchant {merchant} and --calibration-images {folder}",
            expected="one of them",
        )
    size = model.manifest.input_size
    if folder is not None:
        return sample_folder(folder, size, max_pixels=application.settings.max_image_pixels, seed=seed)
    return application.calibration.sample(merchant or only_merchant(application), size, seed=seed)


def _write_litert(
    model: ModelVersion,
    stored: FilePrecision,
    sample: CalibrationImages | None,
    compared: CalibrationImages | None,
    out: Path,
) -> tuple[int, Agreement | None]:
    """The file's size, and how far it agrees with the version in float32."""
    from embeddings.export.agreement import compare
    from embeddings.export.litert_conversion import LiteRtPrecision, convert
    from embeddings.litert_embedder import LiteRtNetwork
    from embeddings.manifest import Precision
    from embeddings.open_embedder import open_embedder
    from embeddings.whole_file import written_whole

    with written_whole(out) as file:
        content = convert(model, LiteRtPrecision(stored.value), None if sample is None else sample.images)
        file.write(content)
    if compared is None:
        return len(content), None
    full = open_embedder(model, precision=Precision.FLOAT32)
    return len(content), compare(full.embed, LiteRtNetwork(content, model.manifest).features, compared.images)


def _print_agreement(agreement: Agreement) -> None:
    for name, recall in agreement.recall.items():
        print(f"  {name}: {recall:.3f} of {agreement.neighbours} neighbours kept, of {agreement.num_images} photos")
    ratio = agreement.rate / agreement.full_rate
    print(f"  {agreement.rate:.1f} images/s, {ratio:.2f} times the full network's {agreement.full_rate:.1f} in float32")


@app.command("quantize")
def quantize_version(
    version: Version,
    name: Annotated[str, typer.Option("--name", metavar="VERSION", help="Name of the model version to make.")],
    merchant: OptionalMerchant = None,
    calibration_images: CalibrationFolder = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Make a model version that computes in int8, for CPU workers; then change to it with `drape reindex`."""
    from catalog.bootstrap import Application, settings_from_environment
    from embeddings.export.quantization import quantize

    with Application(settings_from_environment()) as application:
        model = application.model_store.open(version)
        application.model_store.require_free(name)
        sample = _calibration(application, model, merchant, calibration_images, seed)
        made = quantize(model, name, application.model_store, sample, command=command_line())
    if as_json:
        print(json.dumps(made.manifest.to_json(), ensure_ascii=False))
    else:
        print(f"Made {name} in {made.folder}, calibrated on {sample.described}.")


@app.command("import")
def import_version(
    archive: Annotated[
        Path, typer.Argument(metavar="FILE", help="An archive that `drape model export` wrote on another machine.")
    ],
    as_json: AsJson = False,
) -> None:
    """Add a model version from an archive, after checking everything in it."""
    from catalog.bootstrap import Application, settings_from_environment
    from embeddings.export.archive import read_archive

    with Application(settings_from_environment()) as application:
        model = read_archive(archive, application.model_store)
    if as_json:
        print(json.dumps(model.manifest.to_json(), ensure_ascii=False))
    else:
        print(f"Added {model.manifest.version} to {model.folder}.")
