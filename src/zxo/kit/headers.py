"""What every answer tells the browser: load nothing, frame nothing, guess nothing, keep nothing."""

from collections.abc import Sequence
from typing import Any

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

Header = tuple[bytes, bytes]

# An answer of the API is data: whatever a browser makes of it may load and run nothing.
_NOTHING = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# The page at /docs starts itself with a script in the page, and brings all others along.
_DOCS = (
    b"default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';"
    b" img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    b" frame-ancestors 'none'"
)
# A year, as https://hstspreload.org asks for. Browsers pass it over where there is no TLS.
_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")

_ALWAYS: Sequence[Header] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class SecurityHeaders:
    """The headers of an answer by its path, made once: every request pays for them.

    `behind_tls`: whether browsers are to come back by https only.
    """

    def __init__(self, *, behind_tls: bool) -> None:
        always = (*_ALWAYS, _HSTS) if behind_tls else tuple(_ALWAYS)
        self._api = (
            *always,
            (b"content-security-policy", _NOTHING),
            (b"cache-control", b"no-store"),
        )
        self._docs = (*always, (b"content-security-policy", _DOCS))

    def of(self, path: str) -> Sequence[Header]:
        """Those of the answer to a request for `path`."""
        return self._docs if path.startswith("/docs") else self._api


class Cors(CORSMiddleware):
    """Answers preflights itself, and so has to say what every answer says."""

    def __init__(self, app: ASGIApp, headers: SecurityHeaders, **options: Any) -> None:
        super().__init__(app, **options)
        self._headers = headers

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        answer.raw_headers += self._headers.of("/v1")
        return answer
