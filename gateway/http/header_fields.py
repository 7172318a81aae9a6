"""A request's header fields, as they are looked up."""

from collections.abc import Iterable, Mapping


def header_fields(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
    """The fields by their names, which ASGI gives in lower case."""
    lines = list(headers)
    fields = dict(lines)
    if len(fields) < len(lines):
        # A field may come in several lines, which stand for one list. RFC 9110, 5.3.
        fields = {name: b", ".join(value for each, value in lines if each == name) for name in fields}
    return fields
