"""The files of ``deploy/``: valid by their own rules, and true to what Drape is.

Nothing is built or started here: the checks are hadolint and the schemas of compose and Kubernetes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from catalog.settings import Settings
from cli.worker import Queue
from tests.conftest import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
MANIFESTS = sorted(path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml")
SETTINGS = {f"DRAPE_{name.upper()}" for name in Settings.model_fields}
WORKERS = ("worker-embed", "worker-index", "worker-query", "beat")
OURS = ("migrate", *WORKERS, "api")


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _compose(name: str = "compose.yaml"):
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def _documents():
    return [
        pytest.param(document, id=f"{path.stem}-{document['kind']}")
        for path in MANIFESTS
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]


def _pod(document):
    return document["spec"]["template"]["spec"]


def _manifest(name: str):
    text = (DEPLOY / "kubernetes" / f"{name}.yaml").read_text(encoding="utf-8")
    return next(one for one in yaml.safe_load_all(text) if "template" in one.get("spec", {}))


def test_hadolint_finds_nothing_in_the_dockerfile():
    ended = subprocess.run(
        [_program("hadolint"), "--format", "json", DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert json.loads(ended.stdout) == []


def test_the_dockerfile_copies_what_there_is_and_every_package():
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    copied = [word for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.M) for word in line.split()[:-1]]
    assert all((REPOSITORY / name).exists() for name in copied)
    packages = {path.parent.name for path in REPOSITORY.glob("*/__init__.py")} - {"tests"}
    assert packages <= set(copied)


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_compose_files_follow_the_specification(name):
    ended = subprocess.run(
        [_program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", DEPLOY / name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("document", _documents())
def test_manifests_follow_kubernetes(document):
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_kustomize_applies_every_manifest_but_the_example_of_a_secret():
    listed = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    assert sorted(listed) == [path.name for path in MANIFESTS if path.name != "secret.example.yaml"]


def test_every_setting_that_is_named_exists():
    files = [*DEPLOY.rglob("*.yaml"), *DEPLOY.rglob("*.env"), DEPLOY / "drape.env.example", DEPLOY / "Dockerfile"]
    of_compose = {"DRAPE_IMAGE", "DRAPE_GPU_IMAGE"}
    for path in files:
        named = set(re.findall(r"\bDRAPE_[A-Z_]+", path.read_text(encoding="utf-8"))) - of_compose
        assert named <= SETTINGS, path


def test_compose_and_kubernetes_run_the_same_commands():
    services = _compose()["services"]
    for name in OURS:
        container = _pod(_manifest(name))["containers"][0]
        service = services[name]
        assert container.get("args", []) == service["command"], name
        assert container.get("command") == service.get("entrypoint"), name
    queues = {services[name]["command"][2] for name in WORKERS}
    assert queues == set(Queue)


def test_compose_and_kubernetes_run_the_same_services():
    services = _compose()["services"]
    for name in ("postgres", "redis", "qdrant"):
        assert _pod(_manifest(name))["containers"][0]["image"] == services[name]["image"]


def test_the_api_is_alive_by_its_process_and_ready_by_its_resources():
    container = _pod(_manifest("api"))["containers"][0]
    paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    service = _compose()["services"]["api"]
    assert "http://127.0.0.1:8000/readyz" in service["healthcheck"]["test"][-1]
    # Only this machine is answered until somebody says otherwise.
    assert service["ports"] == ["${API_ADDRESS:-127.0.0.1:8000}:8000"]


def test_drape_never_runs_as_root_nor_writes_to_its_image():
    for name in OURS:
        pod = _pod(_manifest(name))
        security = pod["containers"][0]["securityContext"]
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert (security["readOnlyRootFilesystem"], security["allowPrivilegeEscalation"]) == (True, False), name
        service = _compose()["services"][name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
    assert re.findall(r"^USER (.*)$", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), re.M) == ["10001:10001"] * 2


def test_no_secret_stands_in_a_file():
    """Each comes from the environment or from a Kubernetes secret whose example is empty."""
    environment = _compose()["x-drape"]["environment"]
    for name in ("DRAPE_DATABASE_URL", "DRAPE_BROKER_URL", "DRAPE_QDRANT_API_KEY"):
        assert ":?set it in deploy/.env}" in environment[name]
    example = yaml.safe_load((DEPLOY / "kubernetes" / "secret.example.yaml").read_text(encoding="utf-8"))
    assert {value for value in example["stringData"].values() if "PASSWORD@" not in value} == {""}
    lines = (DEPLOY / "drape.env.example").read_text(encoding="utf-8").splitlines()
    assert {line for line in lines if "PASSWORD" in line or "KEY" in line} == {
        "POSTGRES_PASSWORD=",
        "REDIS_PASSWORD=",
        "QDRANT_API_KEY=",
    }


def test_what_compose_asks_of_the_environment_is_in_the_example():
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8") + (DEPLOY / "compose.gpu.yaml").read_text(
        encoding="utf-8"
    )
    asked = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", text))
    lines = (DEPLOY / "drape.env.example").read_text(encoding="utf-8").splitlines()
    assert asked == {line.partition("=")[0] for line in lines if line and not line.startswith("#")}
