"""The pages on monitoring and watching are what the code has: metrics with their budget, alerts, bounds, causes."""

import re
from pathlib import Path

import yaml

from provisioner.integrations.alerting.kit import ScrapePlaces, prometheus_file, routes_file
from provisioner.integrations.alerting.metric_catalogue import AGENT, MOST_INCIDENTS, MOST_SERIES, NIGHT, WATCH
from provisioner.integrations.alerting.rules import NIGHT_LATE_S, rules_file
from provisioner.verify.result import Cause
from tests.unit.docs.pages import section, text_of

PAGE = text_of("docs/operate/monitoring.md")


def rows(title: str) -> list[list[str]]:
    """The rows of the first table of a section, without its head."""
    lines = [line for line in section(PAGE, title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_tables_of_metrics_are_the_catalogue() -> None:
    for title, metrics in (("Of the last verification", NIGHT), ("Of a watch", WATCH), ("Of an agent", AGENT)):
        assert rows(title) == [[f"`{m.name}`", ", ".join(m.labels) or "-", m.most] for m in metrics]
    assert f"{MOST_SERIES:,} series" in PAGE
    assert f"{MOST_INCIDENTS} at most" in PAGE


def test_the_table_of_alerts_is_the_rules() -> None:
    rules = [rule for group in yaml.safe_load(rules_file())["groups"] for rule in group["rules"] if "alert" in rule]
    scopes = {rule["alert"]: re.search(r'scope="(\w+)"', rule["expr"]) for rule in rules}
    expected = []
    for rule in rules:
        scope = scopes[rule["alert"]]
        word = rule["labels"].get("scope") or (scope[1] if scope else "-")
        expected.append([f"`{rule['alert']}`", word, rule["labels"]["severity"]])
    assert [row[:3] for row in rows("Alerts")] == expected
    assert f"{NIGHT_LATE_S // 3600} h" in section(PAGE, "Alerts")


def test_the_bound_from_cable_to_message_is_that_of_the_files_and_below_ninety_seconds() -> None:
    text = section(PAGE, "A watch")
    table = text[text.index("| step | seconds |") :]
    seconds = [int(n) for n in re.findall(r"\| (\d+) \|$", table, re.MULTILINE)]
    assert sum(seconds[:-1]) == seconds[-1] <= 90
    jobs = yaml.safe_load(prometheus_file(ScrapePlaces()))["scrape_configs"]
    assert jobs[0]["scrape_interval"] == "5s"
    assert yaml.safe_load(rules_file())["groups"][0]["interval"] == "5s"
    assert yaml.safe_load(routes_file({}))["route"]["group_wait"] == "2s"
    assert yaml.safe_load(routes_file({}))["route"]["group_interval"] == "10s"
    for written in ("scrape_interval: 5s", "interval: 5s", "group_wait: 2s"):
        assert written in text


_PAGE = Path(__file__).parents[3] / "docs/daily/watching.md"
_ROW = re.compile(r"^\| ([a-z, ]+) \| ([^|]{10,}) \| ([^|]{3,}) \|$", re.MULTILINE)


def test_every_cause_has_its_row() -> None:
    rows = _ROW.findall(_PAGE.read_text(encoding="utf-8"))
    named = [name for row in rows for name in row[0].split(", ") if row[0] != "cause"]
    assert sorted(named) == sorted(cause.value for cause in Cause if cause.value)
