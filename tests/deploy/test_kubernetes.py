"""The manifests of `deploy/kubernetes/`."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from starlette.routing import Mount, Route

from application.application import Application
from application.asgi import GRAPHQL_PATH, Asgi
from application.commands import cli
from application.paths import ROOT
from application.settings import PREFIX, Settings

FOLDER = ROOT / "deploy" / "kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
# What only probes, and Prometheus within the cluster, may ask for.
NOT_PUBLIC = {"/healthz", "/readyz", "/metrics"}


def manifest(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


MANIFESTS = {found["kind"]: found for found in map(manifest, FILES)}


def pod(kind: str) -> dict[str, Any]:
    return MANIFESTS[kind]["spec"]["template"]["spec"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_manifest_fits_the_schema_of_kubernetes(path: Path) -> None:
    kubernetes_validate.validate(manifest(path), kubernetes_validate.latest_version(), strict=True)


def test_the_schema_finds_a_misspelt_field() -> None:
    """The test above would also pass if nothing were checked."""
    wrong = manifest(FOLDER / "deployment.yaml")
    wrong["spec"]["template"]["spec"]["terminationGracePeriod"] = 60
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


def settings_of(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a pod: those of the image, the ConfigMap and the Secret."""
    image = dict(re.findall(rf"({PREFIX}\w+)=(\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8")))
    given = MANIFESTS["ConfigMap"]["data"] | MANIFESTS["Secret"]["stringData"]
    assert set(given) <= {PREFIX + name.upper() for name in Settings.model_fields}
    for name, value in (image | given).items():
        # Kubernetes refuses numbers there.
        assert isinstance(value, str)
        monkeypatch.setenv(name, value)
    return Settings(_env_file=None)  # pyright: ignore[reportCallIssue]


def test_the_settings_are_valid_and_fit_several_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(monkeypatch)
    assert settings.redis_url is not None
    assert settings.media_url.startswith("s3://")
    assert settings.smtp_url is not None
    assert settings.public_url is not None
    (host,) = (rule["host"] for rule in MANIFESTS["Ingress"]["spec"]["rules"])
    assert settings.public_url == f"https://{host}"
    sources = [next(iter(source.values()))["name"] for source in pod("Deployment")["containers"][0]["envFrom"]]
    assert sources == [MANIFESTS["ConfigMap"]["metadata"]["name"], MANIFESTS["Secret"]["metadata"]["name"]]


def test_kubernetes_waits_longer_than_the_drain_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(monkeypatch)
    grace_s = pod("Deployment")["terminationGracePeriodSeconds"]
    assert grace_s > settings.drain_delay_s + settings.drain_s + settings.shutdown_timeout_s
    # The delay is over when the pod is known not to be ready.
    probe = pod("Deployment")["containers"][0]["readinessProbe"]
    assert probe["failureThreshold"] * (probe["periodSeconds"] + probe["timeoutSeconds"]) < settings.drain_delay_s
    assert settings.drain_s > 0


def routes() -> set[str]:
    app = Asgi(Application(Settings(_env_file=None)))  # pyright: ignore[reportCallIssue]
    found = app._starlette.routes  # pyright: ignore[reportPrivateUsage]
    return {GRAPHQL_PATH, *(route.path for route in found if isinstance(route, Route | Mount))}


def test_the_ingress_has_every_path_of_the_server_but_those_of_operators() -> None:
    paths = MANIFESTS["Ingress"]["spec"]["rules"][0]["http"]["paths"]
    exact = {path["path"] for path in paths if path["pathType"] == "Exact"}
    folders = {path["path"] for path in paths if path["pathType"] == "Prefix"}

    def is_public(path: str) -> bool:
        return path in exact or any(path == folder or path.startswith(f"{folder}/") for folder in folders)

    known = routes()
    assert known > NOT_PUBLIC
    assert {path for path in known if not is_public(path)} == NOT_PUBLIC


def test_the_probes_ask_for_paths_that_exist() -> None:
    (server,) = pod("Deployment")["containers"]
    asked = {name: server[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert asked == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert set(asked.values()) < routes()


def test_service_budget_and_spread_select_the_pods_of_the_deployment() -> None:
    labels = MANIFESTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        MANIFESTS["Deployment"]["spec"]["selector"]["matchLabels"],
        MANIFESTS["Service"]["spec"]["selector"],
        MANIFESTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        pod("Deployment")["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    assert all(selector == labels for selector in selectors)
    job = MANIFESTS["Job"]["spec"]["template"]["metadata"]["labels"]
    assert job != labels
    (server,) = pod("Deployment")["containers"]
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    assert ports[MANIFESTS["Service"]["spec"]["ports"][0]["targetPort"]] == 8000
    backends = {
        path["backend"]["service"]["name"] for path in MANIFESTS["Ingress"]["spec"]["rules"][0]["http"]["paths"]
    }
    assert backends == {MANIFESTS["Service"]["metadata"]["name"]}


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_the_pods_run_as_the_images_user_without_rights(kind: str) -> None:
    (user,) = re.findall(r"--uid (\d+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert pod(kind)["securityContext"]["runAsUser"] == int(user)
    (container,) = pod(kind)["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(kind)["automountServiceAccountToken"] is False


def test_the_migrations_run_by_the_image_of_the_servers() -> None:
    images = {pod(kind)["containers"][0]["image"] for kind in ("Deployment", "Job")}
    assert len(images) == 1
    assert pod("Job")["containers"][0]["args"] == ["migrate"]
    assert "migrate" in {command.callback.__name__ for command in cli.registered_commands if command.callback}
    version = images.pop().rpartition(":")[2]
    assert MANIFESTS["Job"]["metadata"]["name"].endswith(version.replace(".", "-"))
