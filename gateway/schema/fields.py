"""A field that is one key of an AWS record: the only place where AWS's word for it and GraphQL's stand side by side."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from strawberry.types.field import StrawberryField

from gateway.errors import UpstreamBadResponse


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


def an_object(value: Any) -> Any:
    """A record within a record.

    Raises: UpstreamBadResponse, which nulls this one field, where AWS sent something else.
    """
    if not isinstance(value, dict):
        raise UpstreamBadResponse(None, detail=f"a {type(value).__name__} where an object belongs")
    return value
