"""Reading `/metrics` of an installation as Prometheus would."""

from dataclasses import dataclass
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from syncflow_pipelines.api.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Scrape:
    """The samples of one scrape, by name and labels."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    @classmethod
    def of(cls, text: str) -> Self:
        samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        return cls(samples)

    def value(self, name: str, **labels: str) -> float | None:
        """The sample of exactly those labels; None where there is none."""
        return self.samples.get((name, frozenset(labels.items())))

    def total(self, name: str, **labels: str) -> float:
        """The sum over all samples that have those labels, beside others."""
        wanted = frozenset(labels.items())
        return sum(value for (found, has), value in self.samples.items() if found == name and wanted <= has)

    def names(self) -> set[str]:
        return {name for name, _ in self.samples}


def scrape(metrics: Metrics) -> Scrape:
    """What the database says now, however fresh the last figures are."""
    metrics._read_at = -1e9
    return Scrape.of(metrics.exposition("")[0].decode())
