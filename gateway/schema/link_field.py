"""A field that is a record of another list, known by a key that this record holds."""

from collections.abc import Callable, Mapping
from typing import Any

from strawberry.types.field import StrawberryField

from gateway.context import RequestContext
from gateway.loaders.record_loader import RecordLoader
from gateway.schema.field_cost import LOOKUP


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
