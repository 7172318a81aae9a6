"""A field that is one key of an AWS record: the only place where AWS's word for it and GraphQL's stand side by side."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from strawberry.types.field import StrawberryField

from gateway.context import RequestContext
from gateway.errors import UpstreamBadResponse
from gateway.loaders.record_loader import RecordLoader
from gateway.schema.field_cost import LOOKUP


class RecordField(StrawberryField):
    """Read a key of the record that the parent is; absent and null are the same."""

    @property
    def key(self) -> str:
        """AWS's name of the field."""
        key: str = self.metadata["key"]
        return key

    @property
    def read(self) -> Callable[[Any], Any] | None:
        """Turns AWS's value, which is not null, into the field's; None: as it stands."""
        read: Callable[[Any], Any] | None = self.metadata["read"]
        return read

    @property
    def absent(self) -> Any:
        """The field's value where AWS gives none."""
        return self.metadata["absent"]

    def get_result(self, source: Mapping[str, Any], info: Any, args: list[Any], kwargs: Any) -> Any:  # noqa: ARG002  # Named by the base class.
        """The field's value of one record."""
        value = source.get(self.key)
        if value is None:
            return self.absent
        read = self.read
        return value if read is None else read(value)


def record_field(
    key: str,
    read: Callable[[Any], Any] | None = None,
    *,
    absent: Any = None,
    name: str | None = None,
    description: str,
    directives: Sequence[object] = (),
) -> Any:
    """Declare a field that is the record's `key`, read by `read`; `absent` where the key is missing or null.

    name: in the schema, where it is not the attribute's in camel case.
    """
    metadata = {"key": key, "read": read, "absent": absent}
    return RecordField(graphql_name=name, description=description, directives=directives, metadata=metadata)


def parse_object(value: Any) -> Any:
    """A record within a record.

    Raises: UpstreamBadResponse, which nulls this one field, where AWS sent something else.
    """
    if not isinstance(value, dict):
        raise UpstreamBadResponse(None, detail=f"a {type(value).__name__} where an object belongs")
    return value


class LinkField(StrawberryField):
    """Load the record whose key the parent holds; null where it holds none, or where there is no such record."""

    @property
    def is_basic_field(self) -> bool:
        """No: it needs the request's loaders, which a basic field is not shown."""
        return False

    @property
    def key(self) -> Callable[[Any], str | None]:
        """The key of the record that the parent is linked to, None where there is none."""
        key: Callable[[Any], str | None] = self.metadata["key"]
        return key

    @property
    def loader(self) -> Callable[[RequestContext], RecordLoader[Any]]:
        """The request's loader for records of that kind."""
        loader: Callable[[RequestContext], RecordLoader[Any]] = self.metadata["loader"]
        return loader

    def get_result(self, source: Mapping[str, Any], info: Any, args: list[Any], kwargs: Any) -> Any:  # noqa: ARG002  # Named by the base class.
        """The record, or what it comes from."""
        # First of all: whether a caller may follow a link does not depend on where it leads.
        loader = self.loader(info.context)
        key = self.key(source)
        return None if key is None else loader.load(key)


def link_field(
    loader: Callable[[RequestContext], RecordLoader[Any]], key: Callable[[Any], str | None], *, description: str
) -> Any:
    """Declare a field that is the record which `loader` finds by the `key` of its parent."""
    return LinkField(description=description, directives=[LOOKUP], metadata={"loader": loader, "key": key})
