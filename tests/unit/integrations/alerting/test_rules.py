"""The files for Prometheus and Alertmanager, by Prometheus's and Alertmanager's own checkers."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from provisioner.integrations.alerting.kit import EVERYTHING, ScrapePlaces, dashboard_file, kit, routes_file
from provisioner.integrations.alerting.metric_catalogue import AGENT, NIGHT, WATCH
from provisioner.integrations.alerting.rules import rules_file
from tests.alarms import checked

HERE = Path(__file__).parent
ADDRESSES = {EVERYTHING: "http://127.0.0.1:1/all", "viettel": "http://127.0.0.1:1/v", "vnpt": "http://127.0.0.1:1/n"}


def groups() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(rules_file())
    return {group["name"]: group for group in document["groups"]}


def rules() -> list[dict[str, Any]]:
    return [rule for group in groups().values() for rule in group["rules"]]


def test_promtool_takes_configuration_and_rules(tmp_path: Path) -> None:
    for name, text in kit(ScrapePlaces(agents=("127.0.0.1:9465", "192.0.2.7:9465")), ADDRESSES).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    printed = checked("promtool", "check", "config", str(tmp_path / "prometheus.yml"))
    assert f"{len(rules())} rules found" in printed
    checked("amtool", "check-config", str(tmp_path / "alertmanager.yml"))


@pytest.mark.parametrize("group", ["watch", "night", "agent"])
def test_rules_do_what_they_say(group: str, tmp_path: Path) -> None:
    """Each group by itself: a night is a day long, and a watch's rules are counted every five seconds."""
    alone = {"groups": [groups()[f"provisioner-{group}"]]}
    (tmp_path / f"provisioner-{group}.yml").write_text(yaml.safe_dump(alone), encoding="utf-8")
    tests = (HERE / f"{group}_rules.yml").read_text(encoding="utf-8")
    (tmp_path / "tests.yml").write_text(tests, encoding="utf-8")
    checked("promtool", "test", "rules", str(tmp_path / "tests.yml"))


def test_every_alert_is_tried_and_says_what_to_do() -> None:
    tried = "".join((HERE / f"{group}_rules.yml").read_text(encoding="utf-8") for group in ("watch", "night", "agent"))
    for rule in rules():
        if "alert" in rule:
            assert rule["alert"] in tried, rule["alert"]
            assert set(rule["annotations"]) == {"summary", "description", "action"}
            assert rule["labels"]["severity"] in {"critical", "warning", "ticket"}


NAMES = re.compile(r"\bprovisioner[:_][a-z_:]+\b")


def known_names() -> set[str]:
    metrics = (*NIGHT, *WATCH, *AGENT)
    return {metric.name for metric in metrics} | {rule["record"] for rule in rules() if "record" in rule}


def test_rules_ask_for_metrics_that_there_are() -> None:
    asked = {name for rule in rules() for name in NAMES.findall(rule["expr"])}
    assert asked <= known_names()
    assert len(asked) > 10


# --- routes ---------------------------------------------------------------------------------------
def receivers(folder: Path, **labels: str) -> list[str]:
    """Who hears of an alert with these labels, as Alertmanager itself says."""
    (folder / "alertmanager.yml").write_text(routes_file(ADDRESSES), encoding="utf-8")
    words = [f"{name}={value}" for name, value in labels.items()]
    printed = checked("amtool", "config", "routes", "test", f"--config.file={folder}/alertmanager.yml", *words)
    return sorted(printed.strip().split(","))


def test_a_carrier_hears_of_its_own_alone_and_one_receiver_of_all(tmp_path: Path) -> None:
    assert receivers(tmp_path, carrier="viettel", alertname="ProvisionerSiteDown") == ["all", "carrier-viettel"]
    assert receivers(tmp_path, carrier="vnpt", alertname="ProvisionerNightMissed") == ["all", "carrier-vnpt"]
    assert receivers(tmp_path, carrier="fpt") == ["all"]
    assert receivers(tmp_path, alertname="ProvisionerWatchDown") == ["all"]


@pytest.mark.parametrize("addresses", [{}, {EVERYTHING: "http://x/"}, {"viettel": "http://x/"}])
def test_any_choice_of_receivers_is_a_configuration(addresses: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "alertmanager.yml").write_text(routes_file(addresses), encoding="utf-8")
    checked("amtool", "check-config", str(tmp_path / "alertmanager.yml"))


@given(st.dictionaries(st.sampled_from(["", "viettel", "vnpt", "fpt"]), st.just("http://127.0.0.1:1/x")))
def test_every_receiver_has_a_route_and_every_route_a_receiver(addresses: dict[str, str]) -> None:
    document = yaml.safe_load(routes_file(addresses))
    named = [one["name"] for one in document["receivers"]]
    routed = {document["route"]["receiver"], *(one["receiver"] for one in document["route"]["routes"])}
    assert routed == set(named)
    assert len(named) == len(set(named))


# --- the dashboard --------------------------------------------------------------------------------
def test_the_dashboard_is_what_grafana_takes() -> None:
    schema = json.loads((HERE / "grafana.schema.json").read_text(encoding="utf-8"))
    dashboard = json.loads(dashboard_file())
    jsonschema.validate(dashboard, schema, jsonschema.Draft202012Validator)
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in panels):
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert taken.isdisjoint(cells), "no panel lies on another"
        taken |= cells


def test_prometheus_takes_every_question_of_the_dashboard(tmp_path: Path) -> None:
    dashboard = json.loads(dashboard_file())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(asked) > 15
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = {name for expr in asked for name in re.findall(r"\$(\w+)", expr)}
    assert used <= variables
    assert {name for expr in asked for name in NAMES.findall(expr)} <= known_names()
    records = [{"record": f"tried:{n}", "expr": re.sub(r"\$\w+", ".*", expr)} for n, expr in enumerate(asked)]
    group = {"groups": [{"name": "tried", "rules": records}]}
    (tmp_path / "tried.yml").write_text(yaml.safe_dump(group), encoding="utf-8")
    checked("promtool", "check", "rules", str(tmp_path / "tried.yml"))


@pytest.mark.parametrize("missing", ["uid", "title", "schemaVersion", "panels", "templating"])
def test_a_dashboard_that_lacks_something_is_none(missing: str) -> None:
    schema = json.loads((HERE / "grafana.schema.json").read_text(encoding="utf-8"))
    dashboard = {name: value for name, value in json.loads(dashboard_file()).items() if name != missing}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(dashboard, schema, jsonschema.Draft202012Validator)
