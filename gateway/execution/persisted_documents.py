"""Documents that a request names instead of sending them: trusted documents, or automatic persisted queries.

Source: GraphQL over HTTP, appendix "Persisted Documents"; Apollo's Automatic Persisted Queries.
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

import orjson
from cachetools import LRUCache

from gateway.errors import BadUserInput, ConfigurationError, DocumentNotTrusted, PersistedQueryNotFound
from gateway.execution.document_cache import DocumentCache

# Characters of registered documents and their hashes. Some 400 documents of a front end fit.
REGISTERED_CHARACTERS: Final = 262_144
HASH_CHARACTERS: Final = 64

_APOLLO_FORMAT: Final = "apollo-persisted-query-manifest"


class PersistedDocuments(Protocol):
    """A resolver of requests to the text of their documents."""

    def resolve(self, query: str, document_id: str | None, query_hash: str | None) -> str:
        """Return the text of a request's document.

        Args:
            query: The text in the request, empty if it has none.
            document_id: The request's `documentId`, `id` or `doc_id`.
            query_hash: The `sha256Hash` of Apollo's extension.

        Raises:
            CallerError: If there is no such document, or if it must not be run.
        """


class TrustedDocuments:
    """The documents of a file. No other document is run, and each is requested by its id."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def resolve(self, query: str, document_id: str | None, query_hash: str | None) -> str:
        """Return the text of a document id. Reject a request with a text, even the text of a trusted document."""
        text = self._texts.get(document_id or query_hash or "")
        if query or text is None:
            raise DocumentNotTrusted(
                "This gateway runs trusted documents only. Send the documentId of one, without a query."
            )
        return text


class AutomaticPersistedQueries:
    """Apollo's automatic persisted queries. A text that was sent with its hash once can be requested by the hash alone.

    The hash is checked, so a client cannot register another text under it. The least recently used text goes first.
    """

    def __init__(self) -> None:
        self._texts: LRUCache[str, str] = LRUCache(REGISTERED_CHARACTERS, lambda text: len(text) + HASH_CHARACTERS)

    def resolve(self, query: str, document_id: str | None, query_hash: str | None) -> str:
        """Return the text in the request, or the text of the hash. Register a text that comes with its hash."""
        if query:
            if query_hash is not None:
                self._register(query, query_hash)
            return query
        text = self._texts.get(query_hash or (document_id or "").removeprefix("sha256:"))
        if text is None:
            raise PersistedQueryNotFound("PersistedQueryNotFound")
        return text

    def _register(self, query: str, query_hash: str) -> None:
        if self._texts.get(query_hash) == query:
            return
        if sha256(query.encode()).hexdigest() != query_hash:
            raise BadUserInput("The sha256Hash does not match the query.")
        if len(query) + HASH_CHARACTERS <= REGISTERED_CHARACTERS:
            self._texts[query_hash] = query


def persisted_documents(trusted: Path | None, cache: DocumentCache) -> PersistedDocuments:
    """Return the trusted documents of a file. Without a file, return automatic persisted queries.

    Args:
        trusted: A file of Relay's persisted queries, `{"id": "text"}`, or an Apollo manifest.
        cache: Checks that each document can be run.

    Raises:
        ConfigurationError: If the file or one of its documents is not valid.

    Cost: Some milliseconds for each document of the file.
    """
    return AutomaticPersistedQueries() if trusted is None else TrustedDocuments(_read(trusted, cache))


def _read(path: Path, cache: DocumentCache) -> Mapping[str, str]:
    try:
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise _invalid(path, f"cannot be read: {error.strerror}.") from None
    except orjson.JSONDecodeError as error:
        raise _invalid(path, f"is not JSON at line {error.lineno}, column {error.colno}.") from None
    if not isinstance(content, dict):
        raise _invalid(path, 'must be an object such as {"id": "text"}, or an Apollo manifest.')
    texts = _read_manifest(path, content) if "format" in content else content
    if not texts:
        raise _invalid(path, "contains no document, so the gateway could run none.")
    for name, text in texts.items():
        if not name or not isinstance(text, str):
            raise _invalid(path, f"must have a non-empty id and a text for each document, but not so for {name!r}.")
        if reason := cache.validation_error(text):
            raise _invalid(path, f"has a document that cannot be run, {name!r}: {reason}")
    return texts


def _read_manifest(path: Path, manifest: Mapping[str, object]) -> Mapping[str, str]:
    operations = manifest.get("operations")
    if manifest["format"] != _APOLLO_FORMAT or manifest.get("version") != 1 or not isinstance(operations, list):
        raise _invalid(
            path, f'is not a manifest: it needs the format "{_APOLLO_FORMAT}", the version 1 and operations.'
        )
    texts: dict[str, str] = {}
    for operation in operations:
        name, body = (operation.get(key) if isinstance(operation, dict) else None for key in ("id", "body"))
        if not isinstance(name, str) or not isinstance(body, str):
            raise _invalid(path, "has an operation whose id or body is not a string.")
        if texts.setdefault(name, body) != body:
            raise _invalid(path, f"has two documents with the id {name!r}.")
    return texts


def _invalid(path: Path, problem: str) -> ConfigurationError:
    return ConfigurationError(f"GATEWAY_TRUSTED_DOCUMENTS: {path} {problem}")
