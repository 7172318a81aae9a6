"""The directive `@semanticNonNull`, for fields that are null only if there is an error.

In GraphQL, such a field is nullable, so that its error does not null its parent. Clients that handle errors by
themselves, such as Relay, can then treat it as non-null.

Source: GraphQL Nullability Working Group and Relay, "Semantic Nullability".
"""

from typing import Final

import strawberry
from strawberry.schema_directive import Location


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="semanticNonNull",
    description="The field is null only if the response has an error for it. In lists, `levels` says which dimension "
    "is meant.",
)
class SemanticNonNull:
    """The directive. Its only level here is that of the field itself."""

    levels: list[int | None] | None = strawberry.directive_field(name="levels", default=(0,))


NULL_ONLY_IF_ERROR: Final = SemanticNonNull(levels=strawberry.UNSET)
