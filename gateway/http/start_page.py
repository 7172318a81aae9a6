"""The page at `/`, which leads people to the endpoint, GraphiQL and health. Programs get the same 404 as elsewhere."""

import base64
from hashlib import sha256
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.http.content_negotiation import read_accept
from gateway.http.error_response import reject_path
from gateway.http.headers import SECURITY_HEADERS

# The browser's own colours have enough contrast in both schemes.
STYLE: Final = """
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1.5rem }
dt { font-weight: 600; margin-top: 1rem }
dd { margin: 0 }
code { white-space: nowrap }
"""
# The style is allowed by its hash, and everything else is forbidden.
CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
CREDENTIALS: Final = {
    "none": "",
    "api-key": " Each request needs an API key in <code>x-api-key</code>.",
    "jwt": " Each request needs an access token as <code>Authorization: Bearer</code>.",
}
ROUTER: Final = " It accepts requests only from its router."
GRAPHIQL: Final = '<a href="/graphql">GraphiQL</a>'
NO_GRAPHIQL: Final = "GraphiQL is off (<code>GATEWAY_GRAPHIQL</code>)."
ON_THIS_PORT: Final = 'readiness <a href="/readyz">/readyz</a>, metrics <a href="/metrics">/metrics</a>'
ON_ADMIN_PORT: Final = "readiness <code>/readyz</code> and metrics <code>/metrics</code> on the admin port"
PAGE: Final = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>chime-gateway</title>
    <link rel="icon" href="data:,">
    <style>{style}</style>
  </head>
  <body>
    <main>
      <h1>chime-gateway</h1>
      <p>A GraphQL API for the phone numbers of an Amazon Chime account and its orders of phone numbers.</p>
      <dl>
        <dt>Endpoint</dt>
        <dd>GraphQL over HTTP, by POST to <code>/graphql</code>.{credential}</dd>
        <dt>Explore in the browser</dt>
        <dd>{explore}</dd>
        <dt>For operators</dt>
        <dd>Health <a href="/healthz">/healthz</a>, {probes}.</dd>
        <dt>Documentation</dt>
        <dd>Guides and reference are in the folder <code>docs</code> of the gateway's source. Begin with
        <code>docs/README.md</code>. <code>chime-gateway schema</code> prints the schema.</dd>
      </dl>
    </main>
  </body>
</html>
"""


class StartPage:
    """The application at `/`.

    Args:
        graphiql: Whether GraphiQL is on.
        auth: How callers authenticate: `none`, `api-key` or `jwt`.
        behind_router: Whether requests need the router's secret.
        admin_port: Whether readiness and metrics are on a port of their own.
    """

    def __init__(self, *, graphiql: bool, auth: str, behind_router: bool, admin_port: bool) -> None:
        html = PAGE.format(
            style=STYLE,
            credential=(ROUTER if behind_router else "") + CREDENTIALS[auth],
            explore=GRAPHIQL if graphiql else NO_GRAPHIQL,
            probes=ON_ADMIN_PORT if admin_port else ON_THIS_PORT,
        )
        headers = {name.decode(): value.decode() for name, value in SECURITY_HEADERS}
        headers |= {"content-security-policy": CONTENT_SECURITY_POLICY, "vary": "Accept"}
        self._page = Response(html, 200, headers, media_type="text/html")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond with the page to a GET or HEAD of a client that prefers HTML, else with 404."""
        accept = ",".join(Headers(scope=scope).getlist("accept"))
        if scope["method"] in {"GET", "HEAD"} and read_accept(accept).prefers_html:
            response = self._page
        else:
            response = await reject_path(Request(scope), HTTPException(404))
            response.headers["vary"] = "Accept"
        await response(scope, receive, send)
