"""docs/metrics.md tells of each metric with its labels, and of each alert, in both languages."""

import re
from pathlib import Path

import pytest
import yaml

from tests.metrics.conftest import Bench
from tests.metrics.everything import meet_everything
from tests.support.sources import CHECKOUT

PAGES = [CHECKOUT / "docs/metrics.md", CHECKOUT / "docs/zh/metrics.md"]
CODE = re.compile(r"`([^`]+)`")


def metrics_of(page: Path) -> dict[str, set[str]]:
    """The labels of each metric that has a row."""
    rows = re.findall(r"^\| (`(?:ferryman|process)_[^|]+)\|([^|]*)\|", page.read_text(), re.MULTILINE)
    return {name: set(CODE.findall(labels)) for names, labels in rows for name in CODE.findall(names)}


@pytest.mark.parametrize("page", PAGES, ids=["English", "Chinese"])
async def test_each_metric_has_its_row_with_its_labels(page: Path, bench: Bench) -> None:
    await meet_everything(bench)
    exists: dict[str, set[str]] = {}
    for name, labels in (await bench.samples()).values:
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        exists.setdefault(family, set()).update(label for label, _ in labels if label != "le")
    assert metrics_of(page) == exists


@pytest.mark.parametrize("page", PAGES, ids=["English", "Chinese"])
def test_each_alert_has_its_row_with_its_severity(page: Path) -> None:
    [group] = yaml.safe_load((CHECKOUT / "docs/alerts.yml").read_text())["groups"]
    rules = [(rule["alert"], rule["labels"]["severity"]) for rule in group["rules"]]
    assert re.findall(r"^\| `(Ferryman\w+)` \| (\w+) \|", page.read_text(), re.MULTILINE) == rules
