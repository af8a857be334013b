"""Settings, read from the environment once and passed on as a value."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from catalog.errors import InvalidRequest
from catalog.request_rates import Period, RequestRate, parse_request_rate
from embeddings.batch_size import USUAL_BATCH_SIZE


def _rate(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.strip().lower() == "none":
        return None
    try:
        return parse_request_rate(value)
    except InvalidRequest as error:
        raise ValueError(error.expected) from error


class Settings(BaseSettings):
    """Everything configurable, as ``DRAPE_*`` environment variables. Nothing set means one machine, all embedded."""

    model_config = SettingsConfigDict(env_prefix="DRAPE_", env_ignore_empty=True, frozen=True, extra="ignore")

    home: Path = Field(default_factory=lambda: Path.home() / ".drape")
    """Folder of everything embedded: database, vectors, images, models. ``~`` is the user's own folder."""

    database_url: SecretStr | None = None
    """PostgreSQL as ``postgresql://user:password@host/database``; unset starts a private one under ``home``."""

    qdrant_url: str | None = None
    """Qdrant server; unset runs Qdrant's engine in this process, under ``home``."""

    qdrant_api_key: SecretStr | None = None

    qdrant_shards: int = Field(default=1, ge=1, le=1024)
    """Parts of a new collection on a Qdrant cluster."""

    qdrant_replicas: int = Field(default=1, ge=1, le=16)
    """Copies of each part."""

    qdrant_write_consistency: int = Field(default=1, ge=1, le=16)
    """Copies that must have a write before it counts as done."""

    qdrant_quantization: Literal["int8", "none"] = "int8"
    """Whether visual vectors of a new collection have an int8 copy in the server's memory, which is searched."""

    qdrant_on_disk: bool = False
    """Whether originals of vectors that have an int8 copy in memory stay on the server's disk."""

    broker_url: SecretStr | None = None
    """Redis as ``redis://:password@host:port/number``; unset indexes in the process that ingests, with no workers."""

    image_store: str | None = None
    """Any fsspec URL; unset is a folder under ``home``."""

    model_store: str | None = None
    """Any fsspec URL, or a path that all machines see: from there workers fetch model versions that they lack."""

    model: str = "compact-rendered"
    """The model version a merchant's first gallery is built with (``drape model list``)."""

    precision: str | None = None
    """``float32``, ``bfloat16``, or ``int8`` of versions that were quantized; unset follows the version's manifest."""

    batch_size: int | None = Field(default=None, ge=1, le=1024)
    """Images per network call; unset has workers measure once how many are fastest, and others take a usual number."""

    decode_threads: int = Field(default=2, ge=1, le=64)

    fetch_threads: int = Field(default=8, ge=1, le=64)
    """Images by address that one process fetches at the same time."""

    max_image_pixels: int = Field(default=64_000_000, ge=1)
    """Images with more pixels are refused before they are decoded."""

    max_image_bytes: int = Field(default=64 * 2**20, ge=1)

    query_embedder: Literal["here", "worker"] = "here"
    """Where photos that are searched with are embedded: on the machine that is asked, or by way of the broker on
    ``drape worker --queue query``."""

    query_deadline: float = Field(default=2.0, gt=0, le=60)
    """Seconds within which such a worker must have embedded one."""

    query_cache_mb: int = Field(default=16, ge=0, le=65536)
    """Memory for features of the photos that were searched with lately, which are not embedded again."""

    fetch_allow: str = ""
    """Hosts and networks that images and feeds may be fetched from although they are not on the public internet.

    Entries with commas between them: ``images.intra.example``, ``*.intra.example`` (all hosts below), ``10.1.0.0/16``,
    each at the ports 80 and 443 or at one of its own: ``127.0.0.1:8123``, ``[fd00::/8]:8080``. Any feed may then name
    files there. A host is allowed wherever it is, a network by whatever name.
    """

    max_feed_bytes: int = Field(default=4 * 2**30, ge=1)
    """Larger feeds are neither fetched nor uploaded."""

    fetch_per_host: int = Field(default=4, ge=1, le=64)
    """Files that this process fetches from one host at the same time."""

    max_attempts: int = Field(default=5, ge=1)
    """After this many failed attempts an image is quarantined with its reason."""

    hide_duplicates: bool = True
    """Whether photos of one product that look the same are shown once: the first of them."""

    lease_seconds: float = Field(default=300.0, gt=0)
    """How long a claimed image is left to its indexer before another may take it."""

    sweep_seconds: float = Field(default=5.0, ge=0.1)
    """How often ``drape worker`` looks for images that nobody announced, or whose claim or waiting time has ended."""

    reconcile_at: str = Field(default="03:30", pattern=r"^(([01]\d|2[0-3]):[0-5]\d|never)$")
    """When workers compare the index with the catalog every day and repair it, in UTC; ``never`` does not."""

    metrics_port: int | None = Field(default=None, ge=1, le=65535)
    """Where ``drape worker`` serves what Prometheus reads; unset serves nothing."""

    metrics_host: str = "127.0.0.1"
    """Address that is served on; ``0.0.0.0`` lets other machines read."""

    rate_limit: Annotated[RequestRate | None, BeforeValidator(_rate)] = RequestRate(6000, Period.MINUTE)
    """Requests that an API key without a rate of its own may make, such as ``6000/min``; ``none`` for any number."""

    trusted_proxies: str = "127.0.0.1,::1"
    """Addresses and networks of proxies, with commas between, that tell by ``X-Forwarded-For`` who asks."""

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        proxies = [one.strip() for one in text.split(",") if one.strip()]
        for one in proxies:
            # Not `*`: whoever asks could then claim to be anybody else.
            ipaddress.ip_network(one)
        return ",".join(proxies)

    @field_validator("home")
    @classmethod
    def _expand_home(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @property
    def images_per_call(self) -> int:
        return self.batch_size or USUAL_BATCH_SIZE

    @property
    def postgres_folder(self) -> Path:
        return self.home / "postgres"

    @property
    def vectors_folder(self) -> Path:
        return self.home / "vectors"

    @property
    def models_folder(self) -> Path:
        return self.home / "models"

    @property
    def training_folder(self) -> Path:
        return self.home / "training"

    @property
    def image_store_url(self) -> str:
        return self.image_store or (self.home / "images").resolve().as_uri()
