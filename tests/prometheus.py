"""Prometheus with the project's configuration, and what the alerts and the dashboard ask of it."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.stack import DEPLOY, METRICS_TOKEN


def queries() -> dict[str, str]:
    """Return the PromQL of the alerts and of the dashboard, by where it stands."""
    alerts = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    panels = json.loads((DEPLOY / "dashboard.json").read_text())["panels"]
    found = {f"alert {rule['alert']}": rule["expr"] for group in alerts for rule in group["rules"]}
    for panel in panels:
        found |= {f"panel {panel['title']} {target['refId']}": target["expr"] for target in panel["targets"]}
    return found


def configuration(folder: Path, targets: Mapping[str, str]) -> Path:
    """Copy the configuration, with the places of a test."""
    shutil.copy(DEPLOY / "alerts.yml", folder)
    (folder / "token").write_text(METRICS_TOKEN)
    text = (DEPLOY / "prometheus.yml").read_text()
    for old, new in {"/tmp/metrics_token": str(folder / "token"), "scrape_interval: 5s": "scrape_interval: 1s"}.items():
        assert old in text
        text = text.replace(old, new)
    for old, new in targets.items():
        assert old in text
        text = text.replace(old, new)
    config = folder / "prometheus.yml"
    config.write_text(text)
    return config
