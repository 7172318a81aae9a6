"""What a gateway's /metrics says, as numbers."""

from collections import Counter

from prometheus_client.parser import text_string_to_metric_families


class Numbers(Counter[str]):
    """Values by name and labels, as they are written: `name{label="value"}`."""

    @classmethod
    def of(cls, text: str) -> "Numbers":
        numbers = cls()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
                numbers[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value  # type: ignore[assignment]  # A float, mostly whole.
        return numbers

    def since(self, before: "Numbers", prefix: str) -> dict[str, float]:
        """What has changed of the numbers with a prefix, which is left out."""
        return {
            name.removeprefix(prefix): value - before[name]
            for name, value in self.items()
            if name.startswith(prefix) and value != before[name] and "_bucket{" not in name and "_seconds_" not in name
        }
