"""The kinds of fields without a resolver of their own: a key of a record, a link to another record, a page's rows.

A field's declaration has AWS's key beside GraphQL's name. Filters, sorts and facets name AWS's keys too. The projection
(gateway.execution.projection) reads all kinds, so that it needs no resolver for them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strawberry.federation.schema_directives import Cost
from strawberry.types.field import StrawberryField

from gateway.context import RequestContext
from gateway.errors import UpstreamBadResponse
from gateway.loaders.data_source import LinkSource
from gateway.schema.field_cost import LOOKUP


class RecordField(StrawberryField):
    """A field that reads one key of its parent's record. A missing key and null mean the same."""

    @property
    def key(self) -> str:
        """AWS's name of the field."""
        key: str = self.metadata["key"]
        return key

    @property
    def read(self) -> Callable[[Any], Any] | None:
        """The function that converts AWS's value, unless the value is null or needs no conversion."""
        read: Callable[[Any], Any] | None = self.metadata["read"]
        return read

    @property
    def absent(self) -> Any:
        """The field's value if AWS sends no value."""
        return self.metadata["absent"]

    def get_result(self, source: Mapping[str, Any], info: Any, args: list[Any], kwargs: Any) -> Any:  # noqa: ARG002  # Named by the base class.
        """Return the field's value in one record."""
        value = source.get(self.key)
        if value is None:
            return self.absent
        read = self.read
        return value if read is None else read(value)


class LinkField(StrawberryField):
    """A field that loads another record, whose key its parent holds.

    It is null if the parent holds no key, or if AWS has no record of that key.
    """

    @property
    def is_basic_field(self) -> bool:
        """False, because Strawberry does not pass the request's context to basic fields."""
        return False

    @property
    def key(self) -> Callable[[Any], Any]:
        """The function that returns the linked record's key, or None if the parent holds no key."""
        key: Callable[[Any], Any] = self.metadata["key"]
        return key

    @property
    def data_source(self) -> Callable[[RequestContext], LinkSource[Any, Any]]:
        """The function that returns the request's data source of linked records."""
        data_source: Callable[[RequestContext], LinkSource[Any, Any]] = self.metadata["data_source"]
        return data_source

    def get_result(self, source: Mapping[str, Any], info: Any, args: list[Any], kwargs: Any) -> Any:  # noqa: ARG002  # Named by the base class.
        """Return the linked record, or an awaitable of it."""
        # The scope is checked first, so that the error does not depend on the parent's key.
        data_source = self.data_source(info.context)
        key = self.key(source)
        return None if key is None else data_source.load(key)


class RowsField(StrawberryField):
    """A field of a connection that needs the rows of its page and nothing else.

    The executor fetches the rows and reads the field's attribute of FetchedRows. It calls the resolver if it cannot
    project the whole connection.
    """


@dataclass(frozen=True, slots=True)
class TypeTest:
    """The test whether a record has a type (graphql-core's `is_type_of`), by a key that only some records have.

    graphql-core calls it, and a projection reads the key itself.
    """

    key: str
    has_key: bool

    def __call__(self, record: Any, _info: Any) -> bool:
        """Return whether a record has the type."""
        return isinstance(record, dict) and bool(record.get(self.key)) is self.has_key


def record_field(
    key: str,
    read: Callable[[Any], Any] | None = None,
    *,
    absent: Any = None,
    name: str | None = None,
    description: str,
    directives: Sequence[object] = (),
) -> Any:
    """Declare a field that reads one key of the record.

    Args:
        key: AWS's name of the field.
        read: Converts the value, unless it is null.
        absent: The field's value if the key is missing or null.
        name: The name in the schema, unless it is the attribute's name in camel case.
        description: The description in the schema.
        directives: The schema directives of the field, such as its cost.
    """
    metadata = {"key": key, "read": read, "absent": absent}
    return RecordField(graphql_name=name, description=description, directives=directives, metadata=metadata)


def link_field(
    data_source: Callable[[RequestContext], LinkSource[Any, Any]],
    key: Callable[[Any], Any],
    *,
    description: str,
    cost: Cost = LOOKUP,
) -> Any:
    """Declare a field that loads a linked record from `data_source`, by the `key` that its parent holds."""
    return LinkField(description=description, directives=[cost], metadata={"data_source": data_source, "key": key})


def parse_object(value: Any) -> Any:
    """Return a record that lies within another record.

    Raises:
        UpstreamBadResponse: If AWS sent another type. It nulls this one field.
    """
    if not isinstance(value, dict):
        raise UpstreamBadResponse(None, detail=f"expected an object, got {type(value).__name__}")
    return value
