"""Documents that a request may name instead of sending them: trusted ones from a file, or those sent once before.

Source: GraphQL over HTTP, appendix "Persisted Documents"; Apollo's Automatic Persisted Queries.
"""

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

import orjson

from gateway.errors import BadUserInput, ConfigurationError, DocumentNotTrusted, PersistedQueryNotFound
from gateway.execution.document_cache import DocumentCache

# Characters of registered documents, the hash of each included: as many as are kept ready to run.
REGISTERED_CHARACTERS: Final = 262_144

_APOLLO: Final = "apollo-persisted-query-manifest"


class PersistedDocuments(Protocol):
    """What finds the text that is to be run."""

    def text(self, query: str, document_id: str | None, query_hash: str | None) -> str:
        """The text for a request.

        query: the text that was sent, empty where none was.
        document_id: `documentId`, `id` or `doc_id`; query_hash: `sha256Hash` of Apollo's extension.
        Raises: CallerError.
        """


class TrustedDocuments:
    """Runs nothing but its documents, each by its id."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def text(self, query: str, document_id: str | None, query_hash: str | None) -> str:
        """See PersistedDocuments. A text is refused even where it is a trusted one."""
        text = self._texts.get(document_id or query_hash or "")
        if query or text is None:
            raise DocumentNotTrusted("Only trusted documents are run here: send the documentId of one, and no query.")
        return text


class AutomaticPersistedQueries:
    """Runs whatever is sent, and by its hash alone what was sent with its hash before.

    The hash is checked, so that nobody registers another text under it; the least used are let go of first.
    """

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._characters = 0

    def text(self, query: str, document_id: str | None, query_hash: str | None) -> str:
        """See PersistedDocuments. Cost: a hash of the text where one came with it."""
        if query:
            if query_hash is not None:
                self._register(query, query_hash)
            return query
        known = query_hash or (document_id or "").removeprefix("sha256:")
        if known not in self._texts:
            raise PersistedQueryNotFound("PersistedQueryNotFound")
        self._texts.move_to_end(known)
        return self._texts[known]

    def _register(self, query: str, query_hash: str) -> None:
        if query_hash in self._texts and self._texts[query_hash] == query:
            return
        if sha256(query.encode()).hexdigest() != query_hash:
            raise BadUserInput("The sha256Hash is not the query's.")
        self._texts[query_hash] = query
        self._characters += len(query) + len(query_hash)
        while self._characters > REGISTERED_CHARACTERS:
            dropped_hash, dropped = self._texts.popitem(last=False)
            self._characters -= len(dropped) + len(dropped_hash)


def persisted_documents(trusted: Path | None, cache: DocumentCache) -> PersistedDocuments:
    """The trusted documents of a file, or, without one, those that callers register.

    trusted: Relay's persisted queries, `{"id": "text"}`, or Apollo's manifest.
    cache: Checks that each of them can be run.
    Cost: some milliseconds a document.
    Raises: Misconfigured, saying what is wrong with the file, or with which of its documents.
    """
    return AutomaticPersistedQueries() if trusted is None else TrustedDocuments(_read(trusted, cache))


def _read(path: Path, cache: DocumentCache) -> Mapping[str, str]:
    try:
        held = orjson.loads(path.read_bytes())
    except OSError as error:
        raise _broken(path, f"cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise _broken(path, f"is not JSON: {error}") from None
    if not isinstance(held, dict):
        raise _broken(path, 'holds neither {"id": "text"} nor an Apollo manifest')
    texts = _apollo(path, held) if "format" in held else held
    if not texts:
        raise _broken(path, "holds no document, so that none could be run")
    for name, text in texts.items():
        if not name or not isinstance(text, str):
            raise _broken(path, f"holds something else than a text under {name!r}")
        if reason := cache.validation_error(text):
            raise _broken(path, f"holds a document that cannot be run, under {name!r}: {reason}")
    return texts


def _apollo(path: Path, held: Mapping[str, object]) -> Mapping[str, str]:
    operations = held.get("operations")
    if held["format"] != _APOLLO or held.get("version") != 1 or not isinstance(operations, list):
        raise _broken(path, f'is no manifest with the format "{_APOLLO}", version 1 and operations')
    texts: dict[str, str] = {}
    for operation in operations:
        name, body = (operation.get(key) if isinstance(operation, dict) else None for key in ("id", "body"))
        if not isinstance(name, str) or not isinstance(body, str):
            raise _broken(path, "holds an operation whose id and body are not both texts")
        if texts.setdefault(name, body) != body:
            raise _broken(path, f"holds two documents under {name!r}")
    return texts


def _broken(path: Path, what: str) -> ConfigurationError:
    return ConfigurationError(f"GATEWAY_TRUSTED_DOCUMENTS: {path} {what}")
