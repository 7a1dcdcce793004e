"""The alerting rules in docs/, by Prometheus' own tool."""

import re
from pathlib import Path
from typing import Any

import yaml

from tests.metrics.conftest import Bench, Promtool
from tests.metrics.everything import meet_everything
from tests.metrics.expressions import labels_in, metrics_in
from tests.support.sources import CHECKOUT

RULES = CHECKOUT / "docs/alerts.yml"
CASES = Path(__file__).with_name("alerts_test.yml")


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def test_the_rules_are_valid_and_fire_when_they_should(promtool: Promtool) -> None:
    promtool("check", "rules", RULES)
    promtool("test", "rules", CASES)


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    silent, fires = set[str](), set[str]()
    for case in yaml.safe_load(CASES.read_text())["tests"]:
        for check in case.get("alert_rule_test", ()):
            (fires if check.get("exp_alerts") else silent).add(check["alertname"])
        for check in case.get("promql_expr_test", ()):
            fires |= set(re.findall(r'alertname="(\w+)"', check["expr"]))
    names = {rule["alert"] for rule in rules()}
    assert silent == fires == names


def test_each_alert_says_what_it_means_and_what_mends_it() -> None:
    for rule in rules():
        assert rule["annotations"].keys() == {"summary", "description", "mend"}, rule["alert"]
        assert rule["labels"]["severity"] in {"critical", "warning"}
        documents = re.findall(r"docs/[\w/-]+\.md", " ".join(rule["annotations"].values()))
        assert [path for path in documents if not (CHECKOUT / path).is_file()] == []


async def test_each_metric_and_label_of_the_rules_exists(bench: Bench) -> None:
    await meet_everything(bench)
    samples = await bench.samples()
    for rule in rules():
        assert metrics_in(rule["expr"]) <= samples.names, rule["alert"]
        assert labels_in(rule["expr"]) <= samples.labels, rule["alert"]
