"""The samples of a gateway's /metrics."""

from collections import Counter

from prometheus_client.parser import text_string_to_metric_families


class Metrics(Counter[str]):
    """Values by name and labels, written as `name{label="value"}`."""

    @classmethod
    def of(cls, text: str) -> "Metrics":
        metrics = cls()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
                metrics[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value  # type: ignore[assignment]  # The values are floats, most of them whole.
        return metrics

    def since(self, before: "Metrics", prefix: str) -> dict[str, float]:
        """Return the changes of the metrics with a prefix, without the prefix."""
        return {
            name.removeprefix(prefix): value - before[name]
            for name, value in self.items()
            if name.startswith(prefix) and value != before[name] and "_bucket{" not in name and "_seconds_" not in name
        }
