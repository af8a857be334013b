"""What a model version is, as a value and as ``manifest.json``: networks, precision, taxonomy, features, provenance."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from embeddings.errors import InvalidVersionName, UnusableModel
from embeddings.normalization import Normalization
from embeddings.taxonomy import Taxonomy

MANIFEST_FILE = "manifest.json"
FORMAT = 1
"""Rises when an older Drape could misread the file."""

VISUAL_FEATURES = ("fc6", "pool")
"""The features that may serve cosine search by looks."""

WHITENED_VISUAL_FEATURES = (*VISUAL_FEATURES, "bilinear")
"""Those that may serve it once they are whitened: a bilinear descriptor is too large before."""

PROBABILITIES = "prob"
"""The feature with one component per attribute, in the taxonomy's order."""

MADE_OF = "made_of"
"""The key of a provenance's settings that tells which version this one was made of, and by what that was made."""

_VERSION = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Precision(StrEnum):
    """The number format the networks compute in. Features are float32 in any case.

    Keras computes float32 and bfloat16 from the same weights; int8 is computed by LiteRT from a file of its own, in
    which layers multiply in int8 and pass float32 on.
    """

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """One network of a model version: all that ``embeddings.networks.build`` needs, its weights, what it is used for.

    Args:
        trunk: ``vgg16``, ``resnet50`` or ``compact``.
        head: ``multiattrib`` or ``bilinear``.
        weights: Name of the weights file, inside the version's folder.
        sha256: Hex digest of that file.
        preprocessing: How the network scales its uint8 input; its weights were trained with it.
        activation: How scores become ``prob``: ``sigmoid``, ``softmax`` or ``groups``.
        features: Names of the outputs that become features of the version, at least one.
        projection_rank: Width of the bilinear head's projection, or None for other heads.
        bilinear_normalization: Whether the bilinear head takes the signed root and the unit length of its descriptor.
        exclusive_groups: With ``groups``: the groups of which an item has one value.

    Raises:
        ValueError: a field is empty or malformed.
    """

    trunk: str
    head: str
    weights: str
    sha256: str
    preprocessing: str
    activation: str
    features: tuple[str, ...]
    projection_rank: int | None = None
    bilinear_normalization: bool = True
    exclusive_groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("trunk", "head", "preprocessing", "activation"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")
        if not _FILE_NAME.fullmatch(self.weights) or self.weights == MANIFEST_FILE:
            raise ValueError(f"weights must be the name of a file in the version's folder, received {self.weights!r}")
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"sha256 must be 64 lower-case hexadecimal digits, received {self.sha256!r}")
        if not self.features or len(set(self.features)) != len(self.features):
            raise ValueError(f"features must name at least one output, each once; received {list(self.features)}")
        if self.projection_rank is not None and self.projection_rank < 1:
            raise ValueError(f"projection_rank must be at least 1, received {self.projection_rank}")
        if bool(self.exclusive_groups) != (self.activation == "groups"):
            raise ValueError(
                f"exclusive_groups belong to the activation 'groups', which needs at least one; "
                f"received {list(self.exclusive_groups)} with {self.activation!r}"
            )


@dataclass(frozen=True, slots=True)
class Int8File:
    """All networks of a version as one LiteRT file that computes in int8.

    Args:
        file: Its name, inside the version's folder.
        sha256: Hex digest of that file.
        calibration: The images by which its weights were rounded, in words.
        num_images: How many those were.

    Raises:
        ValueError: a field is empty or malformed.
    """

    file: str
    sha256: str
    calibration: str
    num_images: int

    def __post_init__(self) -> None:
        if not _FILE_NAME.fullmatch(self.file) or self.file == MANIFEST_FILE:
            raise ValueError(f"file must be the name of a file in the version's folder, received {self.file!r}")
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"sha256 must be 64 lower-case hexadecimal digits, received {self.sha256!r}")
        if not self.calibration:
            raise ValueError("calibration must not be empty")
        if self.num_images < 1:
            raise ValueError(f"num_images must be at least 1, received {self.num_images}")


@dataclass(frozen=True, slots=True)
class WhiteningFile:
    """The whitening of the visual feature: the last layer of the version, after the networks (see
    ``embeddings.postprocessing.whitening``).

    Args:
        file: Its name, inside the version's folder.
        sha256: Hex digest of that file.
        size_before: Components of the feature as the network puts it out, not fewer than the version's.
        fitted_on: The images that it was fitted on, in words.
        num_images: How many those were.
        shrinkage: Of their covariance, in [0, 1).

    Raises:
        ValueError: a field is empty, malformed or outside its range.
    """

    file: str
    sha256: str
    size_before: int
    fitted_on: str
    num_images: int
    shrinkage: float = 0.0

    def __post_init__(self) -> None:
        if not _FILE_NAME.fullmatch(self.file) or self.file == MANIFEST_FILE:
            raise ValueError(f"file must be the name of a file in the version's folder, received {self.file!r}")
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"sha256 must be 64 lower-case hexadecimal digits, received {self.sha256!r}")
        if not self.fitted_on:
            raise ValueError("fitted_on must not be empty")
        if self.size_before < 1 or self.num_images < 2:
            raise ValueError(
                "size_before must be at least 1 and num_images at least 2, "
                f"received {self.size_before} and {self.num_images}"
            )
        if not 0 <= self.shrinkage < 1:
            raise ValueError(f"shrinkage must lie in [0, 1), received {self.shrinkage}")


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """Size and scaling of one feature.

    Raises:
        ValueError: the size is below 1.
    """

    size: int
    normalization: Normalization = Normalization.L2

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"a feature's size must be at least 1, received {self.size}")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a model version comes from: enough to make it again.

    Args:
        data: The training data in words, seeds included.
        num_images: How many images it was trained on.
        command: The command line, or the call, that made the version.
        settings: The training settings, JSON-serialisable. Of a version that was made of a trained one, with the key
            ``MADE_OF``; see ``after``.

    Raises:
        ValueError: a text is empty or the number negative.
    """

    data: str
    num_images: int
    command: str
    settings: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.data or not self.command:
            raise ValueError("data and command must not be empty")
        if self.num_images < 0:
            raise ValueError(f"num_images must not be negative, received {self.num_images}")

    def after(self, version: str, command: str) -> Provenance:
        """The provenance of what a command made of a version: the same training, and how the version was made."""
        trained = {name: value for name, value in self.settings.items() if name != MADE_OF}
        earlier = {MADE_OF: self.settings[MADE_OF]} if MADE_OF in self.settings else {}
        made_of = {"version": version, "command": self.command, **earlier}
        return replace(self, command=command, settings={**trained, MADE_OF: made_of})

    @property
    def origins(self) -> tuple[tuple[str, str], ...]:
        """The versions that this one was made of, the last first: the name of each, and the command that made it."""
        found: list[tuple[str, str]] = []
        made_of = self.settings.get(MADE_OF)
        while isinstance(made_of, Mapping):
            found.append((str(made_of.get("version")), str(made_of.get("command"))))
            made_of = made_of.get(MADE_OF)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class ModelManifest:
    """A model version. Its name stands for everything here; vectors of different versions are never compared.

    Args:
        version: Its name: lower-case letters, digits and ``._-``, at most 64; no precision at its end.
        input_size: Edge of the square network input in pixels, the same for all networks.
        precision: The number format it is meant to run in.
        networks: At least one; no two provide the same feature.
        taxonomy: The attributes in the order of ``prob``.
        features: Every feature of the version, by name; ``prob`` has one component per attribute.
        visual_feature: ``fc6`` or ``pool``: the feature for cosine search; ``bilinear`` only where it is whitened.
        provenance: Where it comes from.
        scores: Measurements on held-out items, by a name that says what was measured.
        created: The day it was made.
        int8: What computes it in int8; None for versions that were not quantized.
        whitening: What is done to the visual feature after the networks; None for versions that were not whitened.

    Raises:
        ValueError: a field is malformed, or fields contradict each other.
    """

    version: str
    input_size: int
    precision: Precision
    networks: tuple[NetworkSpec, ...]
    taxonomy: Taxonomy
    features: Mapping[str, FeatureSpec]
    visual_feature: str
    provenance: Provenance
    scores: Mapping[str, float]
    created: date
    int8: Int8File | None = None
    whitening: WhiteningFile | None = None

    def __post_init__(self) -> None:
        check_version_name(self.version)
        if self.input_size < 1:
            raise ValueError(f"input_size must be at least 1, received {self.input_size}")
        if not self.networks:
            raise ValueError("networks must not be empty")
        provided = [name for network in self.networks for name in network.features]
        if len(set(provided)) != len(provided):
            raise ValueError(f"networks must provide each feature once, received {provided}")
        if set(provided) != set(self.features):
            raise ValueError(f"features {sorted(self.features)} must be those of the networks, {sorted(provided)}")
        if len({network.weights for network in self.networks}) != len(self.networks):
            raise ValueError("networks must not share a weights file")
        if self.precision is Precision.INT8 and self.int8 is None:
            raise ValueError("a version in int8 needs the key 'int8', which names its LiteRT file")
        if self.int8 is not None and self.int8.file in {network.weights for network in self.networks}:
            raise ValueError(f"int8.file must not be a weights file, received {self.int8.file!r}")
        visual_features = VISUAL_FEATURES if self.whitening is None else WHITENED_VISUAL_FEATURES
        if self.visual_feature not in visual_features or self.visual_feature not in self.features:
            raise ValueError(
                f"visual_feature must be one of {list(visual_features)} and among the features "
                f"{sorted(self.features)}, received {self.visual_feature!r}"
            )
        if self.whitening is not None:
            self._check_whitening(self.whitening)
        if PROBABILITIES not in self.features:
            raise ValueError(f"features must include {PROBABILITIES!r}, received {sorted(self.features)}")
        if self.features[PROBABILITIES].size != len(self.taxonomy):
            raise ValueError(
                f"features.{PROBABILITIES}.size must be the number of attributes, {len(self.taxonomy)}; "
                f"received {self.features[PROBABILITIES].size}"
            )
        for network in self.networks:
            unknown = [group for group in network.exclusive_groups if group not in self.taxonomy.spans]
            if unknown:
                raise ValueError(
                    f"exclusive_groups must be groups of the taxonomy whose attributes stand together, "
                    f"received {', '.join(unknown)}"
                )
        for name, score in self.scores.items():
            if not math.isfinite(score):
                raise ValueError(f"scores.{name} must be finite, received {score}")

    def _check_whitening(self, whitening: WhiteningFile) -> None:
        others = {network.weights for network in self.networks} | ({self.int8.file} if self.int8 else set())
        if whitening.file in others:
            raise ValueError(f"whitening.file must be a file of its own, received {whitening.file!r}")
        size = self.features[self.visual_feature].size
        if size > whitening.size_before:
            raise ValueError(
                f"features.{self.visual_feature}.size must not exceed whitening.size_before, {whitening.size_before}; "
                f"received {size}"
            )

    @property
    def network_sizes(self) -> dict[str, int]:
        """Components of every feature as the networks put it out, before whitening."""
        sizes = {name: feature.size for name, feature in self.features.items()}
        return sizes if self.whitening is None else {**sizes, self.visual_feature: self.whitening.size_before}

    def version_in(self, precision: Precision) -> str:
        """The name under which vectors of this version, computed in a precision, are kept.

        The version's own precision goes without saying; any other is appended, so that vectors of different
        precision never meet in one gallery.
        """
        return self.version if precision is self.precision else f"{self.version}.{precision}"

    @property
    def file_hashes(self) -> dict[str, str]:
        """SHA-256 of every file in the version's folder but the manifest, by file name."""
        hashes = {network.weights: network.sha256 for network in self.networks}
        if self.int8 is not None:
            hashes[self.int8.file] = self.int8.sha256
        if self.whitening is not None:
            hashes[self.whitening.file] = self.whitening.sha256
        return hashes

    def to_json(self) -> dict[str, object]:
        """The manifest as JSON-serialisable values; ``from_json`` gives an equal manifest back."""
        return {
            "format": FORMAT,
            "version": self.version,
            "created": self.created.isoformat(),
            "input_size": self.input_size,
            "precision": self.precision.value,
            "networks": [_network_to_json(network) for network in self.networks],
            "features": {
                name: {"size": feature.size, "normalization": feature.normalization.value}
                for name, feature in self.features.items()
            },
            "visual_feature": self.visual_feature,
            "taxonomy": list(self.taxonomy.names),
            "provenance": {
                "data": self.provenance.data,
                "num_images": self.provenance.num_images,
                "command": self.provenance.command,
                "settings": dict(self.provenance.settings),
            },
            "scores": dict(self.scores),
            # Left out where there is none, so that an earlier Drape reads every version that it can run.
            **({} if self.int8 is None else {"int8": asdict(self.int8)}),
            **({} if self.whitening is None else {"whitening": asdict(self.whitening)}),
        }

    @classmethod
    def from_json(cls, value: object) -> ModelManifest:
        """The manifest that ``to_json`` wrote.

        Raises:
            ValueError: a key is missing, unknown, of the wrong type, or contradicts another; the message names it.
        """
        keys = _Keys(value, "")
        keys.take("format", _known_format)
        manifest = _named(
            "",
            lambda: cls(
                version=keys.take("version", _text),
                created=keys.take("created", _date),
                input_size=keys.take("input_size", _integer),
                precision=keys.take("precision", _precision),
                networks=keys.take("networks", _networks),
                features=keys.take("features", _features),
                visual_feature=keys.take("visual_feature", _text),
                taxonomy=keys.take("taxonomy", _taxonomy),
                provenance=keys.take("provenance", _provenance),
                scores=keys.take("scores", _scores),
                int8=keys.take_or("int8", _int8_file, None),
                whitening=keys.take_or("whitening", _whitening_file, None),
            ),
        )
        keys.finish()
        return manifest


def check_version_name(version: str) -> None:
    """Raise unless the text can name a model version.

    The name is used for folders and collections, and a precision at its end is kept for ``version_in``.

    Raises:
        InvalidVersionName: it cannot.
    """
    if not _VERSION.fullmatch(version) or any(version.endswith(f".{precision}") for precision in Precision):
        raise InvalidVersionName(
            "no model version can have that name",
            received=repr(version),
            expected="1 to 64 lower-case letters, digits and '._-', starting with a letter or digit and not ending in "
            f"a precision ({', '.join(f'.{precision}' for precision in Precision)})",
            remedy="choose another name",
        )


def require_int8(manifest: ModelManifest) -> Int8File:
    """The version's int8 file.

    Raises:
        UnusableModel: it has none.
    """
    if manifest.int8 is None:
        raise UnusableModel(
            f"model version {manifest.version} was not quantized",
            received=f"{manifest.version} in {Precision.INT8}",
            expected="a version that `drape model quantize` made",
            remedy=f"run `drape model quantize {manifest.version} --name NEW`, and use NEW",
        )
    return manifest.int8


def read_manifest(path: Path) -> ModelManifest:
    """The manifest in a file.

    Raises:
        UnusableModel: there is no such file, or it is no valid manifest; names the file and the key at fault.
    """
    try:
        return ModelManifest.from_json(json.loads(path.read_bytes()))
    except OSError as error:
        raise UnusableModel(
            "a model version has no readable manifest",
            received=f"{path}: {error.strerror}",
            expected=f"a folder with {MANIFEST_FILE} and the weights it names",
        ) from error
    except (ValueError, RecursionError) as error:
        raise UnusableModel(
            f"the manifest {path} is invalid",
            received=str(error),
            expected=f"a manifest of format {FORMAT}, as training writes it",
            remedy="restore the file, or train the model version again",
        ) from error


def write_manifest(manifest: ModelManifest, path: Path) -> None:
    """Write the manifest as indented UTF-8 JSON."""
    text = json.dumps(manifest.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(f"{text}\n", encoding="utf-8")


_T = TypeVar("_T")
_Parser = Callable[[object, str], _T]


class _Keys:
    """A JSON object whose keys are taken one by one; what is left over at the end was not expected."""

    def __init__(self, value: object, at: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{at or 'the file'} must be an object, received {_shown(value)}")
        self._at = at
        self._left: dict[str, object] = dict(value)

    def take(self, key: str, parse: _Parser[_T]) -> _T:
        where = f"{self._at}.{key}" if self._at else key
        if key not in self._left:
            raise ValueError(f"key {where!r} is missing")
        return parse(self._left.pop(key), where)

    def take_or(self, key: str, parse: _Parser[_T], default: _T) -> _T:
        """For keys that manifests of earlier versions do not have."""
        return self.take(key, parse) if key in self._left else default

    def finish(self) -> None:
        if self._left:
            names = ", ".join(repr(f"{self._at}.{key}" if self._at else key) for key in sorted(self._left))
            raise ValueError(f"unknown key {names}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _named(at: str, make: Callable[[], _T]) -> _T:
    """Put the place in front of what a dataclass says about its own fields."""
    try:
        return make()
    except ValueError as error:
        if not at or str(error).startswith(("key ", at)):
            raise
        raise ValueError(f"{at}: {error}") from error


def _text(value: object, at: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{at} must be a text, received {_shown(value)}")
    return value


def _integer(value: object, at: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{at} must be a whole number, received {_shown(value)}")
    return value


def _boolean(value: object, at: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{at} must be true or false, received {_shown(value)}")
    return value


def _number(value: object, at: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{at} must be a number, received {_shown(value)}")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"{at} must lie within ±{sys.float_info.max:.4g}, received {_shown(value)}") from error


def _object(value: object, at: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{at} must be an object, received {_shown(value)}")
    return value


def _list_of(parse: _Parser[_T]) -> _Parser[tuple[_T, ...]]:
    def parse_list(value: object, at: str) -> tuple[_T, ...]:
        if not isinstance(value, list):
            raise ValueError(f"{at} must be a list, received {_shown(value)}")
        return tuple(parse(element, f"{at}[{index}]") for index, element in enumerate(value))

    return parse_list


def _known_format(value: object, at: str) -> int:
    number = _integer(value, at)
    if number != FORMAT:
        raise ValueError(f"{at} must be {FORMAT}, received {number}; a newer Drape may read it")
    return number


def _date(value: object, at: str) -> date:
    return _named(at, lambda: date.fromisoformat(_text(value, at)))


def _precision(value: object, at: str) -> Precision:
    return _named(at, lambda: Precision(_text(value, at)))


def _network_to_json(network: NetworkSpec) -> dict[str, object]:
    # Said only where it means something and differs, so that an earlier Drape reads every network that it can run.
    unusual = {} if network.bilinear_normalization else {"bilinear_normalization": False}
    return {
        "trunk": network.trunk,
        "head": network.head,
        "projection_rank": network.projection_rank,
        **unusual,
        "preprocessing": network.preprocessing,
        "activation": network.activation,
        **({"exclusive_groups": list(network.exclusive_groups)} if network.exclusive_groups else {}),
        "weights": network.weights,
        "sha256": network.sha256,
        "features": list(network.features),
    }


def _network(value: object, at: str) -> NetworkSpec:
    keys = _Keys(value, at)
    network = _named(
        at,
        lambda: NetworkSpec(
            trunk=keys.take("trunk", _text),
            head=keys.take("head", _text),
            projection_rank=keys.take("projection_rank", lambda v, a: None if v is None else _integer(v, a)),
            bilinear_normalization=keys.take_or("bilinear_normalization", _boolean, True),
            preprocessing=keys.take("preprocessing", _text),
            activation=keys.take("activation", _text),
            exclusive_groups=keys.take_or("exclusive_groups", _list_of(_text), ()),
            weights=keys.take("weights", _text),
            sha256=keys.take("sha256", _text),
            features=keys.take("features", _list_of(_text)),
        ),
    )
    keys.finish()
    return network


_networks = _list_of(_network)


def _int8_file(value: object, at: str) -> Int8File | None:
    keys = _Keys(value, at)
    found = _named(
        at,
        lambda: Int8File(
            file=keys.take("file", _text),
            sha256=keys.take("sha256", _text),
            calibration=keys.take("calibration", _text),
            num_images=keys.take("num_images", _integer),
        ),
    )
    keys.finish()
    return found


def _whitening_file(value: object, at: str) -> WhiteningFile | None:
    keys = _Keys(value, at)
    found = _named(
        at,
        lambda: WhiteningFile(
            file=keys.take("file", _text),
            sha256=keys.take("sha256", _text),
            size_before=keys.take("size_before", _integer),
            fitted_on=keys.take("fitted_on", _text),
            num_images=keys.take("num_images", _integer),
            shrinkage=keys.take("shrinkage", _number),
        ),
    )
    keys.finish()
    return found


def _feature(value: object, at: str) -> FeatureSpec:
    keys = _Keys(value, at)
    feature = _named(
        at,
        lambda: FeatureSpec(
            size=keys.take("size", _integer),
            normalization=keys.take("normalization", lambda v, a: _named(a, lambda: Normalization(_text(v, a)))),
        ),
    )
    keys.finish()
    return feature


def _features(value: object, at: str) -> dict[str, FeatureSpec]:
    return {name: _feature(feature, f"{at}.{name}") for name, feature in _object(value, at).items()}


def _taxonomy(value: object, at: str) -> Taxonomy:
    return _named(at, lambda: Taxonomy(_list_of(_text)(value, at)))


def _provenance(value: object, at: str) -> Provenance:
    keys = _Keys(value, at)
    provenance = _named(
        at,
        lambda: Provenance(
            data=keys.take("data", _text),
            num_images=keys.take("num_images", _integer),
            command=keys.take("command", _text),
            settings=keys.take("settings", _object),
        ),
    )
    keys.finish()
    return provenance


def _scores(value: object, at: str) -> dict[str, float]:
    return {name: _number(score, f"{at}.{name}") for name, score in _object(value, at).items()}
