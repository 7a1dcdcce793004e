"""The Grafana dashboard in docs/: Grafana itself cannot be had here, so what it names is checked."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.metrics.conftest import Bench, Promtool
from tests.metrics.everything import meet_everything
from tests.metrics.expressions import labels_in, metrics_in
from tests.support.sources import CHECKOUT

DASHBOARD: dict[str, Any] = json.loads((CHECKOUT / "docs/grafana.json").read_text())
VARIABLES = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ONLY_OF_PYTHON = {"process_virtual_memory_bytes", "process_open_fds", "process_max_fds"}  # need no panel


def expressions() -> Iterator[str]:
    for panel in PANELS:
        for target in panel["targets"]:
            yield target["expr"]


async def test_each_metric_and_label_that_it_shows_exists_and_each_that_exists_is_shown(bench: Bench) -> None:
    await meet_everything(bench)
    samples = await bench.samples()
    shown = {metric for expression in expressions() for metric in metrics_in(expression)}
    assert shown <= samples.names
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in samples.names - ONLY_OF_PYTHON}
    assert families == {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    for expression in expressions():
        assert labels_in(expression) <= samples.labels, expression


def test_each_expression_is_valid(promtool: Promtool, tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": re.sub(r"\$__rate_interval", "5m", expression)}
        for number, expression in enumerate(expressions())
    ]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))  # JSON is YAML
    assert f"{len(rules)} rules found" in promtool("check", "rules", file)


def test_it_is_ready_to_be_imported() -> None:
    """No data source, panel or variable of somebody's own Grafana."""
    assert {"datasource", "job", "item"} == VARIABLES
    used = {name for expression in expressions() for name in re.findall(r"\$(\w+)", expression)}
    assert used == VARIABLES - {"datasource"} | {"__rate_interval"}
    sources = [panel["datasource"]["uid"] for panel in PANELS]
    sources += [target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]]
    assert set(sources) == {"${datasource}"}
    assert "id" not in DASHBOARD
    assert DASHBOARD["uid"] == "ferryman"


def test_each_panel_has_its_own_place_and_says_what_it_shows() -> None:
    cells = set[tuple[int, int]]()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & cells, panel["title"]
        assert place["x"] + place["w"] <= 24
        cells |= own
    assert [panel["title"] for panel in PANELS if not panel["description"].endswith(".")] == []
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
