"""The files of deploy/, read: queries, alerts, the image, and what compose.yaml gives to whom."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pytest
import yaml

from streamlab.events.event import Status
from streamlab.gateway.delivery import EndReason
from streamlab.gateway.writer import PROTOCOLS
from streamlab.models.catalog import KINDS
from streamlab.settings import Settings
from tests.prometheus import configuration, queries
from tests.stack import DEPLOY, ROOT, compose, instructions

PINNED = re.compile(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}")


# Prometheus and Grafana


def test_the_values_that_queries_choose_exist() -> None:
    """A reason, status, protocol or job that stands in a query is one that there is."""
    jobs = {config["job_name"] for config in yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]}
    known = {"reason": set(get_args(EndReason)), "status": set(get_args(Status)), "job": jobs}
    known["protocol"] = set(PROTOCOLS)
    known |= {"alertstate": {"firing"}}
    chosen = [(label, value) for query in queries().values() for label, value in re.findall(r'(\w+)=~?"(.*?)"', query)]
    assert chosen
    for label, value in chosen:
        assert set(value.split("|")) <= known[label], (label, value)


def test_every_alert_tells_what_to_do() -> None:
    """Each has a summary, a runbook and a severity, and an occasion in alerts_test.yml."""
    occasions = (DEPLOY / "alerts_test.yml").read_text()
    for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["summary"]
            assert rule["annotations"]["runbook"].strip().endswith(".")
            assert rule["labels"]["severity"] in ("warning", "critical")
            assert re.search(rf"\b{rule['alert']}\b", occasions), rule["alert"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed here (Debian: prometheus)")
def test_prometheus_takes_its_files(tmp_path: Path) -> None:
    """promtool finds nothing wrong with the configuration and the rules, and the rules fire when they should."""
    config = configuration(tmp_path, {})
    shutil.copy(DEPLOY / "alerts_test.yml", tmp_path)
    for arguments in (
        ["check", "config", str(config)],
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ):
        done = subprocess.run(["promtool", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


# The image and compose.yaml


def test_the_image_runs_without_root_and_holds_no_secrets() -> None:
    """A user by number, exact requirements, programs without a shell; and of the project only what it names."""
    steps = dict(instructions())
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", steps["USER"])
    assert json.loads(steps["CMD"])[:3] == ["python", "-m", "streamlit"]
    assert any("pip install" in rest and "--require-hashes" in rest for _, rest in instructions())
    first, *rest = [
        line
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert first == "*"
    allowed = {line.removeprefix("!").split("/")[0] for line in rest if line.startswith("!")}
    copied = {source.split("/")[0] for name, rest in instructions() if name == "COPY" for source in rest.split()[:-1]}
    assert copied == allowed
    assert ".env" not in allowed


@pytest.mark.parametrize("name", ["", "-dev", "-providers", "-local"])
def test_what_is_installed_is_the_file_that_was_meant(name: str) -> None:
    """Each requirement is one release, and names the hashes of its files: pip then takes nothing else."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / f"requirements{name}.txt").read_text())
    requirements = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert requirements
    for line in requirements:
        assert re.match(r"[\w.-]+(\[\w+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line


def test_compose_names_only_what_there_is() -> None:
    """Files, variables, services, networks and volumes that compose.yaml names exist, and nothing else is set."""
    text = (DEPLOY / "compose.yaml").read_text()
    services = compose()["services"]
    for name, service in services.items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            exists = (DEPLOY / source).exists() if source.startswith(".") else source in compose()["volumes"]
            assert exists, (name, mount)
        assert set(service["networks"]) <= set(compose()["networks"])
        assert set(service.get("depends_on", {})) <= set(services)
    assert (DEPLOY / services["app"]["build"]["context"] / services["app"]["build"]["dockerfile"]).is_file()
    example = re.findall(r"^(\w+)=$", (DEPLOY / "example.env").read_text(), re.MULTILINE)
    assert set(re.findall(r"(?<!\$)\$\{(\w+)", text)) == set(example)
    template = set(re.findall(r"\$\{(\w+)\}", (DEPLOY / "nginx.conf").read_text()))
    assert template == set(services["nginx"]["environment"]) - {"NGINX_ENVSUBST_OUTPUT_DIR"}
    known = {name.upper() for name in Settings.model_fields} | {"HEALTH_URL"}
    for name in ("app", "gateway-1", "gateway-2"):
        assert set(services[name]["environment"]) <= known


def test_every_provider_can_be_set() -> None:
    """Its address and its key reach the app and the gateways; those of servers with names of one's own by a file."""
    services = compose()["services"]
    for name in ("app", "gateway-1", "gateway-2"):
        for kind in KINDS:
            variables = set(getattr(kind, "variables", ())) & {each.upper() for each in Settings.model_fields}
            assert variables <= set(services[name]["environment"]), (name, kind)
        assert {"LAB_ENDPOINTS", "LAB_MODELS"} <= set(services[name]["environment"])
        assert services[name]["env_file"] == [{"path": "endpoint-keys.env", "required": False}]
    assert "/deploy/endpoint-keys.env" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize(
    ("packages", "files"),
    [
        ("", ["requirements.txt"]),
        ("providers", ["requirements.txt", "requirements-providers.txt"]),
        (" providers  local ", ["requirements.txt", "requirements-providers.txt", "requirements-local.txt"]),
        ("nobody", None),
    ],
)
def test_the_image_has_the_packages_that_were_asked_for(tmp_path: Path, packages: str, files: list[str] | None) -> None:
    """Each from its exact list; a list that is not there ends the build. Compose hands the wish on."""
    (step,) = [rest for name, rest in instructions() if name == "RUN" and "pip install" in rest]
    (tmp_path / "pip").write_text('#!/bin/sh\nfor last; do :; done\n[ -f "$last" ] && echo "$last" >> installed\n')
    (tmp_path / "python").write_text("#!/bin/sh\n")
    for name in ("apt-get", "rm"):
        (tmp_path / name).write_text(f'#!/bin/sh\n[ "$1" = update ] || echo "{name} $*" >> system\n')
    for name in ("pip", "python", "apt-get", "rm"):
        (tmp_path / name).chmod(0o755)
    for name in next(rest for name, rest in instructions() if name == "COPY").split()[:-1]:
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(["sh", "-c", step], cwd=tmp_path, env={"PATH": path, "PACKAGES": packages}, check=False)
    assert (done.returncode == 0) == (files is not None)
    if files is not None:
        assert (tmp_path / "installed").read_text().splitlines() == files
        system = (tmp_path / "system").read_text() if (tmp_path / "system").exists() else ""
        assert ("libgomp1" in system) == ("local" in packages)
    assert ("ARG", 'PACKAGES=""') in instructions()
    assert compose()["services"]["app"]["build"]["args"] == {"PACKAGES": "${LAB_PACKAGES:-}"}


def test_prometheus_has_the_token_for_figures_and_no_other() -> None:
    """It writes the one that the processes take for figures to where its configuration reads it."""
    services = compose()["services"]
    name = "GATEWAY_METRICS_TOKEN"
    assert set(services["prometheus"]["environment"]) == {name}
    for process in ("app", "gateway-1", "gateway-2"):
        environment = services[process]["environment"]
        assert environment[name] == services["prometheus"]["environment"][name]
        assert name not in environment["GATEWAY_TOKENS"]
    places = re.findall(rf'printf %s "\$\${name}" > (\S+)', services["prometheus"]["command"][0])
    read = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    assert [config["authorization"] for config in read] == [{"credentials_file": place} for place in 2 * places]


def test_compose_gives_each_service_as_little_as_it_needs() -> None:
    """Only nginx is published, on this machine alone unless told otherwise; nothing is written but /tmp and volumes."""
    for name, service in compose()["services"].items():
        assert ("ports" in service) == (name == "nginx"), name
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
        assert "healthcheck" in service or service["image"] == "streaming-lab", name
        assert service["image"] == "streaming-lab" or PINNED.fullmatch(service["image"]), name
    assert PINNED.fullmatch(dict(instructions())["FROM"])
    assert all(port.startswith("${LAB_ADDRESS:-127.0.0.1}:") for port in compose()["services"]["nginx"]["ports"])
    assert compose()["services"]["redis"]["networks"] == ["inside"]
    assert compose()["networks"]["inside"]["internal"]
