"""A whole filter of one list, split into AWS's parameters and the gateway's conditions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.listing.conditions import Condition, Predicate, match_all


@dataclass(frozen=True, slots=True)
class ListFilter:
    """A filter of one list. A record is a row of the filtered list if it meets the whole filter.

    Attributes:
        parameters: The parameters of the list operation, in AWS's spelling. AWS applies them.
        conditions: The conditions that the gateway checks in each record that it reads.
        matches_nothing: Whether no record can match, so that no page needs to be read.
    """

    parameters: Mapping[str, str] = field(default_factory=dict)
    conditions: Sequence[Condition] = ()
    matches_nothing: bool = False

    def predicate(self) -> Predicate | None:
        """Return a function that returns whether a record meets the conditions, or None if there are no conditions."""
        return match_all(self.conditions) if self.conditions else None

    def description(self) -> dict[str, str]:
        """Return the filter as text. Two filters with equal descriptions list the same rows."""
        if not self.conditions:
            return dict(self.parameters)
        conditions = sorted(condition.description for condition in self.conditions)
        return {**self.parameters, "conditions": json.dumps(conditions)}
