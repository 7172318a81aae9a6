"""Next-tokens: where a list goes on, sealed."""

import base64
import hashlib
import hmac
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from gateway.emulator.aws_errors import BAD_REQUEST, AwsError
from gateway.emulator.service_model import Api, OperationName

KEY_BYTES = 32

# AWS says nothing of a token's life here; elsewhere it says 24 hours.
LIFETIME_SECONDS = 24 * 60 * 60

_SEAL_BYTES = 16
# The scope's digest, the second of issue, the place after which the list goes on. With the seal this makes 36 bytes,
# which base64 writes without padding or spare bits: no two texts are the same token.
_CONTENT = struct.Struct(">8sIQ")
_TOKEN = re.compile(r"[A-Za-z0-9._]{48}")
# No hyphen among the URL-safe letters: the `aws` command takes a token that begins with one for an option.
_LETTERS = b"._"


@dataclass(frozen=True, slots=True)
class TokenScope:
    """The list that a token belongs to. The page's size is no part of it."""

    api: Api
    operation: OperationName
    filters: tuple[str | None, ...] = ()

    def digest(self) -> bytes:
        """Eight bytes that tell this list from others."""
        return hashlib.sha256(repr((self.api, self.operation, self.filters)).encode()).digest()[:8]


class NextTokens:
    """Gives out next-tokens and takes them back.

    The content is hidden as well as sealed: what a client can read it comes to rely on. The seal is a code over the
    content, and the mask over the content is made from the seal, so nothing but the key has to be kept.
    """

    def __init__(self, key: bytes, clock: Callable[[], float]) -> None:
        """`key` is kept with the data; `clock` gives the seconds since 1970."""
        self._seal_key = hmac.digest(key, b"seal", "sha256")
        self._mask_key = hmac.digest(key, b"mask", "sha256")
        self._clock = clock

    def issue(self, scope: TokenScope, after: int) -> str:
        """A token for the rest of a list, from behind the record at `after`: 48 URL-safe characters."""
        content = _CONTENT.pack(scope.digest(), int(self._clock()), after)
        seal = self._seal(content)
        return base64.b64encode(seal + self._masked(content, seal), _LETTERS).decode()

    def read(self, scope: TokenScope, token: str) -> int:
        """The place after which the list goes on.

        Raises: BadRequest for a token that was not given out here, that belongs to another list, or is too old.
        """
        if _TOKEN.fullmatch(token) is None:
            raise AwsError(BAD_REQUEST, "The next token is not valid.")
        raw = base64.b64decode(token, _LETTERS)
        seal = raw[:_SEAL_BYTES]
        content = self._masked(raw[_SEAL_BYTES:], seal)
        if not hmac.compare_digest(seal, self._seal(content)):
            raise AwsError(BAD_REQUEST, "The next token is not valid.")
        digest, issued, after = _CONTENT.unpack(content)
        if digest != scope.digest():
            raise AwsError(BAD_REQUEST, "The next token belongs to a request with other parameters.")
        if self._clock() - issued > LIFETIME_SECONDS:
            raise AwsError(BAD_REQUEST, "The next token has expired.")
        return int(after)

    def _seal(self, content: bytes) -> bytes:
        return hmac.digest(self._seal_key, content, "sha256")[:_SEAL_BYTES]

    def _masked(self, content: bytes, seal: bytes) -> bytes:
        mask = hmac.digest(self._mask_key, seal, "sha256")
        return bytes(byte ^ cover for byte, cover in zip(content, mask, strict=False))
