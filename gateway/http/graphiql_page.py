"""GraphiQL, for browsers: its page at the endpoint's own path, and its assets.

Both are built beforehand, by gateway/graphiql. The assets, 2 MB as they are compressed there, are read once and sent as
they are.
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

from gateway.http.content_negotiation import prefers_html

BUILT: Final = Path(__file__).parent.parent / "graphiql" / "dist"

# Nothing from elsewhere, no inline script, no eval. The editor sets styles inline, and the page's fonts are in its CSS.
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
# Not the machine's own list, which differs from one to the next.
MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
        ".ttf": "font/ttf",
    }
)

# Parameters of a URL that is to be answered, and not shown the page.
NAMES_A_DOCUMENT: Final = frozenset({"query", "documentId", "id", "doc_id", "extensions"})

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
    <p>GraphiQL is not in this installation: install Node 20.19 or newer, and then the gateway again, by
    <code>make run</code> or <code>pip install .</code>; the API at <code>/graphql</code> works without it.</p>
  </body>
</html>
"""


def wants_page(scope: Scope) -> bool:
    """Whether a browser asks for a page: by GET or HEAD, with no query to answer, and HTML rather than JSON."""
    if scope["method"] not in {"GET", "HEAD"} or not NAMES_A_DOCUMENT.isdisjoint(QueryParams(scope["query_string"])):
        return False
    return prefers_html(",".join(Headers(scope=scope).getlist("accept")))


class GraphiqlPage:
    """The page, as an ASGI application. It is asked for anew each time, and sent only where it changed."""

    def __init__(self, built: Path = BUILT) -> None:
        index = built / "index.html"
        html = index.read_bytes() if index.exists() else NOT_BUILT
        self._etag = f'"{sha256(html).hexdigest()[:16]}"'
        headers = {**SECURITY, "cache-control": "no-cache", "etag": self._etag, "vary": "accept"}
        self._whole = Response(html, 200, headers, media_type="text/html")
        self._unchanged = Response(None, 304, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that `wants_page`."""
        known = Headers(scope=scope).get("if-none-match", "")
        unchanged = self._etag in re.findall(r'"[^"]*"', known)
        await (self._unchanged if unchanged else self._whole)(scope, receive, send)


class GraphiqlAssets:
    """What the page loads. Names hold a hash of the content, so that it is kept for good."""

    def __init__(self, built: Path = BUILT) -> None:
        self._compressed = {path.stem: path.read_bytes() for path in (built / "assets").glob("*.gz")}

    async def asset(self, request: Request) -> Response:
        """One asset, compressed where that is taken.

        Raises: HTTPException 404. A name is looked up among those that are there, and never a path.
        """
        name = request.path_params["name"]
        body = self._compressed.get(name)
        if body is None:
            raise HTTPException(404)
        headers = {**SECURITY, "cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
        if _takes_gzip(",".join(request.headers.getlist("accept-encoding"))):
            headers["content-encoding"] = "gzip"
        else:
            # No browser asks like this. 3 MB take 10 ms, which others need not wait for.
            body = await asyncio.to_thread(gzip.decompress, body)
        return Response(body, 200, headers, media_type=MEDIA_TYPES[Path(name).suffix])


def _takes_gzip(accept_encoding: str) -> bool:
    """Source: RFC 9110, 12.5.3. What is named goes before `*`, and a weight of 0 refuses."""
    codings: dict[str, bool] = {}
    for item in accept_encoding.lower().split(","):
        coding, *parameters = (part.strip() for part in item.split(";"))
        codings[coding] = not any(re.fullmatch(r"q=0(\.0{0,3})?", parameter) for parameter in parameters)
    return codings.get("gzip", codings.get("*", False))
