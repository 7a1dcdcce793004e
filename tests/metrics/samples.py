"""Reads expositions, by Prometheus' own parsers for Python."""

from collections.abc import Mapping

from prometheus_client.openmetrics.parser import text_string_to_metric_families as of_openmetrics
from prometheus_client.parser import text_string_to_metric_families as of_text

Labels = frozenset[tuple[str, str]]


class Samples:
    """The samples of one scrape."""

    def __init__(self, values: Mapping[tuple[str, Labels], float]) -> None:
        self.values = values

    def __call__(self, name: str, **labels: str) -> float | None:
        """The value of one series; None: there is none."""
        return self.values.get((name, frozenset(labels.items())))

    def of(self, name: str, label: str) -> dict[str, float]:
        """The values of the series of this name that have only this label, by its value."""
        found = {}
        for (each, labels), value in self.values.items():
            if each == name:
                [(key, text)] = labels
                assert key == label
                found[text] = value
        return found

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.values}

    @property
    def labels(self) -> set[tuple[str, str, str]]:
        """Metric, label and value of every series."""
        return {(name, key, value) for name, labels in self.values for key, value in labels}

    def label_values(self) -> set[str]:
        return {value for _, labels in self.values for _, value in labels}


def parsed(body: bytes, *, openmetrics: bool = False) -> Samples:
    """The samples; no series may come twice."""
    families = (of_openmetrics if openmetrics else of_text)(body.decode())
    values: dict[tuple[str, Labels], float] = {}
    for family in families:
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in values, f"twice: {key}"
            values[key] = sample.value
    return Samples(values)
