"""Alerts and dashboard ask for what a service exposes; compose publishes on the loopback alone."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from exposed import Exposed, read, text_of_service

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "docker/monitoring"
GRAFANA = MONITORING / "grafana"
#: What Prometheus adds to each sample, and has of its own.
OF_PROMETHEUS = {"instance", "job"}
OWN = {"ALERTS": {"alertname": {"LeptonDown"}, "alertstate": {"firing"}}, "up": {}}

METRIC = re.compile(r"\b(lepton[_:][a-z0-9_:]+|ALERTS|up\b)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|on|ignoring)\s*\(([^)]*)\)")
GROWING = re.compile(r"\b(?:rate|increase)\s*\(\s*([a-z_]+)")
UNITS = {"none", "s", "reqps", "percentunit", "watt"}


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def _board() -> dict[str, Any]:
    return json.loads((GRAFANA / "dashboards/lepton.json").read_text())


def _compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker/compose.yaml").read_text())


@pytest.fixture(scope="module")
def service() -> tuple[Exposed, dict[str, str]]:
    found, kinds = read(text_of_service())
    recorded = {"instance": {"a"}, "label": {"b"}}
    return {**found, **OWN, **{r["record"]: recorded for r in _rules() if "record" in r}}, kinds


def problems(expression: str, names: list[str], exposed: Exposed, kinds: dict[str, str]) -> list:
    """What `expression`, or a text that shows the labels `names` of it, asks for in vain."""
    found: list[str] = []
    labels = set(OF_PROMETHEUS)
    for metric, matchers in METRIC.findall(expression):
        if metric not in exposed:
            found.append(f"no metric {metric}")
            continue
        labels |= set(exposed[metric])
        for label, _, value in MATCHER.findall(matchers):
            if label in OF_PROMETHEUS:
                continue
            seen = exposed[metric].get(label, set())
            wanted = value.split("|")
            found += [f"{metric}: no {label} {each}" for each in wanted
                      if not any(re.fullmatch(each, have) for have in seen)]  # fmt: skip
    grouped = [name.strip() for group in GROUPING.findall(expression) for name in group.split(",")]
    found += [f"no label {name}" for name in (*grouped, *names) if name not in labels]
    for metric in GROWING.findall(expression):
        base = re.sub(r"_(bucket|sum|count)\Z", "", metric)
        if kinds.get(metric) != "counter" and kinds.get(base) != "histogram":
            found.append(f"{metric} does not only grow")
    return found if METRIC.search(expression) else ["no metric at all"]


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("lepton_waiting_frame > 1", "no metric lepton_waiting_frame"),
        ('lepton_state{state="readi"} == 0', "lepton_state: no state readi"),
        ('lepton_requests_total{status="500"}', "lepton_requests_total: no status 500"),
        ('lepton_requests_total{route=~"classify|in"}', "lepton_requests_total: no route in"),
        ("sum by (model) (lepton_frames_total)", "no label model"),
        ("rate(lepton_waiting_frames[5m])", "lepton_waiting_frames does not only grow"),
        ("lepton:class_drift:share > 1", "no metric lepton:class_drift:share"),
        ("vector(1)", "no metric at all"),
    ],
)  # fmt: skip
def test_the_check_itself(
    expression: str, why: str, service: tuple[Exposed, dict[str, str]]
) -> None:
    assert problems(expression, [], *service) == [why]


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule(rule: dict[str, Any], service: tuple[Exposed, dict[str, str]]) -> None:
    said = " ".join(rule.get("annotations", {}).values())
    shown = re.findall(r"\$labels\.(\w+)", said)
    assert problems(rule["expr"], shown, *service) == []
    if "alert" in rule:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description"}


def test_every_alert_is_tested_to_fire() -> None:
    """By promtool, which the suite does not need: a new alert without its case is found here."""
    tests = yaml.safe_load((MONITORING / "alerts.test.yml").read_text())
    cases = [case for test in tests["tests"] for case in test["alert_rule_test"]]
    alerts = {rule["alert"] for rule in _rules() if "alert" in rule}
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == alerts


@pytest.mark.parametrize("panel", _board()["panels"], ids=lambda panel: panel["title"])
def test_a_panel(panel: dict[str, Any], service: tuple[Exposed, dict[str, str]]) -> None:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    assert unit in UNITS or unit.startswith("suffix: ")
    assert panel["targets"]
    for target in panel["targets"]:
        shown = re.findall(r"\{\{\s*(\w+)\s*\}\}", target["legendFormat"])
        assert problems(target["expr"], shown, *service) == []


def test_a_label_that_is_shown_outlives_its_sum() -> None:
    for panel in _board()["panels"]:
        for target in panel["targets"]:
            kept = re.findall(r"\bby \(([^)]*)\)", target["expr"])
            if kept:
                shown = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", target["legendFormat"]))
                assert shown <= {name.strip() for name in kept[0].split(",")}, panel["title"]


def test_panels_lie_side_by_side() -> None:
    cells = []
    for at in (panel["gridPos"] for panel in _board()["panels"]):
        columns, rows = range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
        cells += [(x, y) for x in columns for y in rows]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23


def test_one_data_source() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())
    uids = set(re.findall(r'"type": "prometheus", "uid": "([^"]*)"', json.dumps(_board())))
    assert uids == {source["datasources"][0]["uid"]}


def test_every_file_is_read() -> None:
    """Paths inside containers are those that compose mounts; scraped is the service of compose."""
    services = _compose()["services"]
    mounts = dict(m.split(":")[:2] for m in services["grafana"]["volumes"])
    inside = {to: ROOT / "docker" / here for here, to in mounts.items()}
    folder = yaml.safe_load((GRAFANA / "provisioning/dashboards/lepton.yml").read_text())
    assert (inside[folder["providers"][0]["options"]["path"]] / "lepton.json").is_file()
    assert (inside["/etc/grafana/provisioning"] / "datasources").is_dir()
    prometheus = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    assert all((MONITORING / name).is_file() for name in prometheus["rule_files"])
    target = prometheus["scrape_configs"][0]["static_configs"][0]["targets"][0]
    name, port = target.split(":")
    assert services[name]["ports"][0].endswith(f":{port}")
    assert prometheus["scrape_configs"][0]["job_name"] == "lepton"


def test_only_the_loopback_is_published() -> None:
    services = _compose()["services"]
    for name in ("serve", "prometheus", "grafana"):
        assert services[name]["ports"], name
        assert "network_mode" not in services[name]
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert all(str(port).startswith("127.0.0.1:") for port in ports), ports


def test_containers_are_sealed() -> None:
    for name in ("serve", "prometheus", "grafana"):
        service = _compose()["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        mounts = [mount for mount in service.get("volumes", ()) if mount.startswith(".")]
        assert all(mount.endswith(":ro") for mount in mounts), mounts


def test_images_are_pinned_and_no_password_is_kept() -> None:
    for name, service in _compose()["services"].items():
        image = service["image"]
        assert image.startswith("localhost/") or re.search(r":v?\d+\.\d+\.\d+\Z", image), name
    values = {**_compose()["services"]["grafana"]["environment"]}
    assert not [name for name in values if "PASSWORD" in name or "SECRET" in name]
    assert values["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert values["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
