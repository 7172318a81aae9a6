"""Next-tokens: encrypted positions in a list."""

import base64
import hashlib
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken

from gateway.emulator.aws_errors import BAD_REQUEST, AwsError
from gateway.emulator.service_model import Api, OperationName

# Fernet's own: 128 bits for signing and 128 bits for encryption.
KEY_BYTES = 32

# AWS does not document a lifetime for these tokens. Other AWS APIs document 24 hours.
TTL_SECONDS = 24 * 60 * 60
# Fernet encrypts the same content differently each time. An issued token is used again for an hour, a small part of its
# lifetime. 10,000 tokens cover a million numbers and take some 4 MB.
REUSE_SECONDS = 60 * 60
REUSED_TOKENS = 10_000

# The digest of the list, and the position of the last record that was returned. Fernet adds the time of issue.
_CONTENT = struct.Struct(">32sQ")
# 40 bytes of content make a token of 105 bytes. Base64 writes them without padding or spare bits. Fernet ignores other
# characters in a token. If they are rejected first, each token has only one spelling.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{140}")


@dataclass(frozen=True, slots=True)
class TokenScope:
    """The list that a token belongs to. The page size is not part of it."""

    api: Api
    operation: OperationName
    filters: tuple[str | None, ...] = ()

    def digest(self) -> bytes:
        """Return 32 bytes that identify this list."""
        return hashlib.sha256(repr((self.api, self.operation, self.filters)).encode()).digest()


class NextTokens:
    """Issues and reads next-tokens, which are Fernet tokens.

    Clients come to rely on each token content that they can read, so the content is encrypted.
    A token starts with `gAAAA`. The `aws` command would take a token that starts with a hyphen for an option.
    """

    def __init__(self, key: bytes, clock: Callable[[], float], *, unstable: bool = False) -> None:
        """Create an issuer of tokens.

        Args:
            key: 32 bytes, which are stored with the data.
            clock: Returns seconds since 1970.
            unstable: Whether to issue a different token each time, even for the same position.
        """
        self._fernet = Fernet(base64.urlsafe_b64encode(key))
        self._clock = clock
        self._encrypt = self._encrypt_now if unstable else lru_cache(REUSED_TOKENS)(self._encrypt_now)

    def issue(self, scope: TokenScope, after: int) -> str:
        """Return a token for the records after the position `after`. It has 140 URL-safe characters.

        Unless tokens are unstable, the same position has the same token for up to REUSE_SECONDS, so that equal requests
        get equal responses.
        """
        return self._encrypt(_CONTENT.pack(scope.digest(), after), int(self._clock()) // REUSE_SECONDS)

    def _encrypt_now(self, content: bytes, _period: int) -> str:
        return self._fernet.encrypt_at_time(content, int(self._clock())).decode()

    def read(self, scope: TokenScope, token: str) -> int:
        """Return the position after which the list continues.

        Raises:
            AwsError: BadRequest if the token was not issued here, belongs to another list, or has expired.
        """
        if _TOKEN.fullmatch(token) is None:
            raise AwsError(BAD_REQUEST, "The next token is not valid.")
        try:
            # This verifies the token's signature. If decryption fails afterwards, the token's time is the reason.
            self._fernet.extract_timestamp(token)
        except InvalidToken:
            raise AwsError(BAD_REQUEST, "The next token is not valid.") from None
        try:
            content = self._fernet.decrypt_at_time(token, TTL_SECONDS, int(self._clock()))
        except InvalidToken:
            raise AwsError(BAD_REQUEST, "The next token has expired.") from None
        digest, after = _CONTENT.unpack(content)
        if digest != scope.digest():
            raise AwsError(BAD_REQUEST, "The next token belongs to a request with other parameters.")
        return int(after)
