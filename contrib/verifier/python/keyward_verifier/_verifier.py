import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence

import httpx
import jwt
from fastapi import Request
from fastapi.responses import JSONResponse

from ._errors import InvalidToken, Unavailable
from ._introspection import Introspection
from ._keys import Keys
from ._refusal import Refusal

# The longest credential that is looked at, in characters.
_MAX_CREDENTIAL = 8192
# The characters of b64token (RFC 6750 section 2.1).
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")


@dataclass(frozen=True)
class Options:
    """The options of a Verifier. Times are in seconds."""

    # The issuer, exactly as in `iss`.
    issuer: str
    # The identifier of this resource server, which `aud` must contain.
    audience: str
    # Credentials of the resource server, for introspection. Without them, API keys are refused.
    client_id: Optional[str] = None
    client_secret: Optional[str] = None
    # Introspect JWTs too, so that a revoked one is refused as soon as its cached answer expires.
    introspect_jwts: bool = False
    algorithms: Sequence[str] = ("RS256", "PS256", "ES256", "EdDSA")
    # The accepted difference between the clocks.
    leeway: float = 5
    # The shortest time between two requests for the keys.
    min_refresh_interval: float = 5
    # The timeout of requests to the issuer.
    timeout: float = 5
    # How many introspection answers are cached, and for how long.
    cache_size: int = 10_000
    active_ttl: float = 10
    inactive_ttl: float = 10
    # The URL of the protected resource metadata (RFC 9728), which each challenge then has.
    resource_metadata: Optional[str] = None


@dataclass(frozen=True)
class Caller:
    """An authenticated caller."""

    client_id: str
    # `sub`: the client itself, or the user that it acts for.
    subject: Optional[str]
    # `access_token` or `api_key`.
    kind: str
    scope: frozenset
    # The claims of the JWT (RFC 9068), or the members of the introspection response.
    claims: Mapping[str, Any] = field(repr=False)


class Verifier:
    """Authenticates the callers of one resource server."""

    def __init__(self, options: Options, client: Optional[httpx.AsyncClient] = None):
        """Another HTTP client is for an issuer behind a proxy or with a private certificate authority."""
        if not options.issuer or not options.audience:
            raise ValueError("issuer and audience are required")
        has_credentials = bool(options.client_id and options.client_secret)
        if options.introspect_jwts and not has_credentials:
            raise ValueError("introspect_jwts needs client_id and client_secret")
        self._options = options
        self._client = client or httpx.AsyncClient(timeout=options.timeout)
        base = options.issuer.rstrip("/")
        self._keys = Keys(self._client, f"{base}/.well-known/jwks.json", options.min_refresh_interval)
        self._introspection = None
        if has_credentials:
            self._introspection = Introspection(self._client, f"{base}/oauth/introspect", options)

    def install(self, app):
        """Answers refused requests with `{"error": …}` instead of FastAPI's `{"detail": …}`."""
        app.add_exception_handler(Refusal, _respond)

    def require(self, scope: str = ""):
        """A dependency for callers that have all of these scope values, separated by spaces.

        Without a scope, any valid credential is enough. The value of the dependency is the Caller.
        """

        async def caller(request: Request) -> Caller:
            return await self.authorize(request.headers.get("authorization"), scope)

        return caller

    async def authorize(self, authorization: Optional[str], scope: str = "") -> Caller:
        """The caller that an `Authorization` header authenticates; raises a Refusal."""
        metadata = self._options.resource_metadata
        if authorization is None:
            raise Refusal("unauthorized", resource_metadata=metadata)
        try:
            caller = _caller(await self._authenticate(_credential(authorization)))
        except InvalidToken:
            raise Refusal("invalid_token", resource_metadata=metadata) from None
        except Unavailable as error:
            raise Refusal("temporarily_unavailable") from error
        if not caller.scope.issuperset(scope.split()):
            raise Refusal("insufficient_scope", scope, metadata)
        return caller

    async def close(self):
        """Closes the connections to the issuer."""
        await self._client.aclose()

    async def _authenticate(self, token):
        # An API key has no period.
        if token.count(".") != 2:
            if self._introspection is None:
                raise InvalidToken
            return await self._introspection.introspect(token)
        claims = await self._verify(token)
        return await self._introspection.introspect(token) if self._options.introspect_jwts else claims

    async def _verify(self, token):
        """Verifies a JWT access token offline (RFC 9068 section 4)."""
        options = self._options
        try:
            header = jwt.get_unverified_header(token)
            # An ID token or a logout token has the same issuer and keys, and another type.
            if str(header.get("typ")).lower() not in ("at+jwt", "application/at+jwt"):
                raise InvalidToken
            key = await self._keys.key(header.get("kid"), header.get("alg"))
            if key.algorithm_name not in options.algorithms:
                raise InvalidToken
            return jwt.decode(
                token,
                key.key,
                algorithms=[header["alg"]],
                issuer=options.issuer,
                audience=options.audience,
                leeway=options.leeway,
                options={"require": ["iss", "aud", "exp", "client_id"], "verify_iat": False},
            )
        except jwt.PyJWTError as error:
            raise InvalidToken from error


def _caller(claims):
    # Accepting a bound token as a bearer token would ignore the protection (RFC 9449 section 7.2, RFC 8705 section 3).
    if "cnf" in claims or not isinstance(claims.get("client_id"), str):
        raise InvalidToken
    kind = "api_key" if claims.get("token_type") == "api_key" else "access_token"
    scope = claims.get("scope")
    granted = frozenset(scope.split(" ") if isinstance(scope, str) else ())
    return Caller(claims["client_id"], claims.get("sub"), kind, granted, claims)


def _credential(authorization):
    """The token of a Bearer header, or the API key of a Basic header: Base64 of KEY or of KEY and a colon."""
    scheme, _, value = authorization.partition(" ")
    token = ""
    if scheme.lower() == "bearer":
        token = value.strip()
    elif scheme.lower() == "basic":
        try:
            key, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise InvalidToken from None
        token = "" if password else key
    if len(token) > _MAX_CREDENTIAL or not _TOKEN.fullmatch(token):
        raise InvalidToken
    return token


async def _respond(_request, refusal):
    return JSONResponse({"error": refusal.code}, refusal.status_code, refusal.headers)
