"""deploy/k8s: Kubernetes' own schemas take it, and everything that it names exists."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from graph.database import Database
from server.app import create_app
from server.settings import Settings, load_settings
from tests.conftest import ROOT

BIN = Path(sys.executable).parent
K8S = ROOT / "deploy" / "k8s"
BUILT = ["base", "overlays/production", "migration"]
# The oldest with all that is used, to the newest that there is.
VERSIONS = ["1.32", kubernetes_validate.latest_version().rpartition(".")[0] or "1.37"]
SECRETS = {"database-url", "redis-url", "api-keys", "metrics-key"}


def kustomize(folder: str) -> list[dict[str, Any]]:
    """Renders a folder as `kubectl apply -k` would."""
    program = BIN / "kubectl"
    if not program.exists():
        pytest.skip("there is no kubectl for this platform on PyPI")
    done = subprocess.run([program, "kustomize", K8S / folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(scope="module")
def production() -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in kustomize("overlays/production")}


@pytest.fixture(scope="module")
def pod(production: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return production["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod["containers"]
    return only


def job() -> dict[str, Any]:
    (only,) = kustomize("migration")
    return only


def named(container: dict[str, Any], production: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yields the variables that a container gets; a secret's value is the secret's key."""
    for source in container.get("envFrom", []):
        assert source["configMapRef"]["name"] == production["ConfigMap"]["metadata"]["name"]
        yield from production["ConfigMap"]["data"].items()
    for each in container["env"]:
        assert each["valueFrom"]["secretKeyRef"]["name"] == "ecs-secrets"
        yield each["name"], each["valueFrom"]["secretKeyRef"]["key"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", BUILT)
def test_kubernetes_takes_it(folder: str, version: str):
    for each in kustomize(folder):
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("path", [K8S / "neo4j" / "pdb.yaml"])
def test_kubernetes_takes_what_stands_beside_it(path: Path):
    for each in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(each, VERSIONS[-1], strict=True)


def test_a_mistake_would_be_noticed():
    broken = job()
    broken["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_every_file_is_part_of_something():
    files = {str(path.relative_to(K8S)) for path in K8S.rglob("*") if path.is_file()}
    used: set[str] = {"neo4j/values.yaml", "neo4j/pdb.yaml"}
    for found in K8S.rglob("kustomization.yaml"):
        used.add(str(found.relative_to(K8S)))
        said = yaml.safe_load(found.read_text())
        generated = [env for each in said.get("configMapGenerator", []) for env in each["envs"]]
        for name in [*said.get("resources", []), *generated, *(each["path"] for each in said.get("patches", []))]:
            used.add(os.path.normpath(found.parent.relative_to(K8S) / name))
    assert files == used - {path for path in used if (K8S / path).is_dir()}


def test_the_deployment_is_what_was_agreed(production: dict[str, dict[str, Any]], container: dict[str, Any]):
    assert production["Deployment"]["spec"]["replicas"] == 3
    assert container["resources"] == {
        "requests": {"memory": "1Gi", "cpu": "500m"},
        "limits": {"memory": "2Gi", "cpu": "1000m"},
    }
    probes = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert probes == {"startup": "/health/live", "liveness": "/health/live", "readiness": "/health/ready"}
    # The server asks the database for two seconds before it says that it isn't ready.
    assert container["readinessProbe"]["timeoutSeconds"] > 2
    assert production["HorizontalPodAutoscaler"]["spec"]["minReplicas"] == 3


async def test_paths_and_ports_are_those_of_the_api(
    production: dict[str, dict[str, Any]], container: dict[str, Any], settings: Settings
):
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        paths = {getattr(route, "path", None) for route in app.routes}
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[name]["httpGet"]["path"] in paths
        assert container[name]["httpGet"]["port"] == "http"
    (monitor,) = yaml.safe_load_all((K8S / "monitoring" / "servicemonitor.yaml").read_text())
    assert {each["path"] for each in monitor["spec"]["endpoints"]} <= paths
    (port,) = container["ports"]
    assert str(port["containerPort"]) == production["ConfigMap"]["data"]["ECS_PORT"]
    assert {each["targetPort"] for each in production["Service"]["spec"]["ports"]} == {port["name"]}
    assert {each["port"] for each in production["NetworkPolicy"]["spec"]["ingress"][0]["ports"]} == {port["name"]}


def test_variables_are_settings_and_make_sense(
    production: dict[str, dict[str, Any]], container: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    for name in [name for name in os.environ if name.startswith("ECS_")]:
        monkeypatch.delenv(name)
    secret = {"database-url": "neo4j://neo4j:secret@ecs-lb-neo4j:7687", "redis-url": "redis://:secret@valkey:6379"}
    for name, value in named(container, production):
        assert name.removeprefix("ECS_").lower() in Settings.model_fields, name
        monkeypatch.setenv(name, secret.get(value, value))
    settings = load_settings()
    assert settings.authenticates
    assert settings.processes == 1
    # Neo4j's own server.bolt.thread_pool_max_size.
    assert production["HorizontalPodAutoscaler"]["spec"]["maxReplicas"] * settings.pool_size < 400
    assert settings.database_login() == ("neo4j://ecs-lb-neo4j:7687", "neo4j", "secret")
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert str(settings.api_keys_file) == f"{mounts['keys']}/api-keys"
    assert {name for name, _ in named(job()["spec"]["template"]["spec"]["containers"][0], production)} <= {
        name for name, _ in named(container, production)
    }


def test_secrets_are_documented(pod: dict[str, Any], container: dict[str, Any], production: dict[str, dict[str, Any]]):
    (monitor,) = yaml.safe_load_all((K8S / "monitoring" / "servicemonitor.yaml").read_text())
    used = {value for name, value in named(container, production) if name not in production["ConfigMap"]["data"]}
    used |= {item["key"] for volume in pod["volumes"] if "secret" in volume for item in volume["secret"]["items"]}
    used |= {each["authorization"]["credentials"]["key"] for each in monitor["spec"]["endpoints"]}
    assert used == SECRETS
    documented = (ROOT / "docs" / "upgrading.md").read_text()
    assert all(f"{name}=" in documented for name in SECRETS)


@pytest.mark.parametrize("which", ["api", "migration"])
def test_pods_have_no_privileges(which: str, pod: dict[str, Any]):
    spec = pod if which == "api" else job()["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["runAsUser"] == 1000
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not spec["automountServiceAccountToken"]
    # A service named ecs would bring a variable ECS_PORT otherwise, which is a setting.
    assert not spec["enableServiceLinks"]
    for each in spec["containers"]:
        context = each["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_labels_lead_to_the_pods(production: dict[str, dict[str, Any]]):
    labels = production["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert production["Deployment"]["spec"]["selector"]["matchLabels"].items() <= labels
    assert production["Service"]["spec"]["selector"].items() <= labels
    assert production["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"].items() <= labels
    chosen = production["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"].items()
    assert chosen <= labels
    assert chosen <= job()["spec"]["template"]["metadata"]["labels"].items()
    for spread in production["Deployment"]["spec"]["template"]["spec"]["topologySpreadConstraints"]:
        assert spread["labelSelector"]["matchLabels"].items() <= labels
    # The migration's pod must get no requests.
    migration = job()["spec"]["template"]["metadata"]["labels"].items()
    assert not production["Service"]["spec"]["selector"].items() <= migration


def test_the_migration_runs_what_the_api_runs(container: dict[str, Any]):
    (migrating,) = job()["spec"]["template"]["spec"]["containers"]
    assert migrating["image"] == container["image"]
    assert migrating["args"] == ["migrate"]
    assert container["args"] == ["serve"]


async def test_the_cluster_is_of_the_version_and_settings_that_are_tested(migrated: Database):
    values = yaml.safe_load((K8S / "neo4j" / "values.yaml").read_text())
    (lock,) = (ROOT / "graph" / "embedded").glob("neo4j-*.lock.toml")
    assert values["image"]["customImage"] == f"neo4j:{lock.name.split('-')[1]}-enterprise"
    known = {name for (name,) in await migrated.read("settings", "SHOW SETTINGS YIELD name")}
    assert set(values["config"]) <= known
    # What the budget and the API's network policy look for is what the chart labels its pods with.
    (budget,) = yaml.safe_load_all((K8S / "neo4j" / "pdb.yaml").read_text())
    assert budget["spec"]["selector"]["matchLabels"] == {"helm.neo4j.com/neo4j.name": values["neo4j"]["name"]}
