"""What PromQL expressions name."""

import re

_METRIC = re.compile(r"\b(?:ferryman|process)_\w+")
_SELECTOR = re.compile(r"(\w+)\{([^}]*)\}")
_LABEL = re.compile(r'(\w+)=~?"([^"]*)"')


def metrics_in(expression: str) -> set[str]:
    """The metrics."""
    return set(_METRIC.findall(expression))


def labels_in(expression: str) -> set[tuple[str, str, str]]:
    """Metric, label and each of the values that are asked for, without those of Grafana's and Prometheus' own."""
    return {
        (metric, label, value)
        for metric, selector in _SELECTOR.findall(expression)
        for label, values in _LABEL.findall(selector)
        for value in values.split("|")
        if not value.startswith("$")
    }
