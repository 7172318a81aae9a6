"""GraphiQL: its page, at the path of the endpoint, and its assets.

gateway/graphiql builds both beforehand. The assets are 2 MB in compressed form. They are read once and sent as they
are.
"""

import asyncio
import gzip
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Final

from starlette.datastructures import Headers, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.http.accept_encoding import GZIP, read_accept_encoding
from gateway.http.content_negotiation import read_accept
from gateway.http.headers import read_headers

BUILT: Final = Path(__file__).parent.parent / "graphiql" / "dist"

# Forbids other sites, inline scripts and eval. The editor sets inline styles, and the CSS holds the fonts.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; "
    "worker-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
SECURITY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "content-security-policy": CONTENT_SECURITY_POLICY,
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }
)
# The machine's own list is not used, because it differs between machines.
MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
        ".ttf": "font/ttf",
    }
)

# A URL with one of these parameters is a GraphQL request, so it does not get the page.
REQUEST_PARAMETERS: Final = frozenset({"query", "documentId", "id", "doc_id", "extensions"})

NOT_BUILT: Final = b"""<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="color-scheme" content="light dark">
    <title>chime-gateway</title>
    <link rel="icon" href="data:,">
    <style>body { font: 1rem/1.5 system-ui, sans-serif; margin: 3rem; max-width: 45rem }</style>
  </head>
  <body>
    <p>GraphiQL is not part of this installation. To add it, install Node 20.19 or newer, then the gateway again with
    <code>make run</code> or <code>pip install .</code>. The API at <code>/graphql</code> works without it.</p>
  </body>
</html>
"""


def wants_page(scope: Scope) -> bool:
    """Return whether a request is for the page: a GET or HEAD without a query, from a client that prefers HTML."""
    if scope["method"] not in {"GET", "HEAD"} or not REQUEST_PARAMETERS.isdisjoint(QueryParams(scope["query_string"])):
        return False
    return read_accept(",".join(Headers(scope=scope).getlist("accept"))).prefers_html


class GraphiqlPage:
    """The page, as an ASGI application. Browsers revalidate it each time, and get it again only if it has changed.

    Args:
        authentication: How callers authenticate: `none`, `api-key` or `jwt`. The page asks for the credential.
        built: The folder with the page.
    """

    def __init__(self, authentication: str, built: Path = BUILT) -> None:
        index = built / "index.html"
        html = index.read_bytes() if index.exists() else NOT_BUILT
        html = html.replace(b'data-authentication="none"', f'data-authentication="{authentication}"'.encode())
        self._etag = f'"{sha256(html).hexdigest()[:16]}"'
        headers = {**SECURITY, "cache-control": "no-cache", "etag": self._etag, "vary": "accept"}
        self._whole = Response(html, 200, headers, media_type="text/html")
        self._unchanged = Response(None, 304, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request for which `wants_page` is true."""
        known = Headers(scope=scope).get("if-none-match", "")
        unchanged = self._etag in re.findall(r'"[^"]*"', known)
        await (self._unchanged if unchanged else self._whole)(scope, receive, send)


class GraphiqlAssets:
    """The files that the page loads. Their names contain a hash of the content, so browsers cache them for a year."""

    def __init__(self, built: Path = BUILT) -> None:
        self._compressed = {path.stem: path.read_bytes() for path in (built / "assets").glob("*.gz")}

    async def asset(self, request: Request) -> Response:
        """Return one asset, compressed if the client accepts gzip.

        Raises:
            HTTPException: 404 if there is no asset of this name. The name is a key of a dict and never a path.
        """
        name = request.path_params["name"]
        body = self._compressed.get(name)
        if body is None:
            raise HTTPException(404)
        headers = {**SECURITY, "cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
        if read_accept_encoding(read_headers(request.headers.raw).get(b"accept-encoding"), (GZIP,)).coding == GZIP:
            headers["content-encoding"] = "gzip"
        else:
            # No browser sends such a request. Decompressing 3 MB takes 10 ms, so it must not block the event loop.
            body = await asyncio.to_thread(gzip.decompress, body)
        return Response(body, 200, headers, media_type=MEDIA_TYPES[Path(name).suffix])
