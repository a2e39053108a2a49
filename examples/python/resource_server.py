"""A resource server: GET /orders is for callers whose access token or API key has the scope orders:read."""

import base64
import binascii
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import requests

ISSUER = os.environ["ISSUER"]
AUDIENCE = os.environ["AUDIENCE"]
CLIENT = (os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])
PORT = int(os.environ.get("PORT", "9000"))
# Introspect JWTs too, so that a revoked one is refused at once.
INTROSPECT_JWTS = os.environ.get("INTROSPECT_JWTS") == "true"

# The published keys: fetched again after five minutes, and for an unknown kid, at most once in five seconds.
KEYS = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json", lifespan=300, cooldown_duration=5, timeout=5)


class InvalidToken(Exception):
    """The caller presented no valid credential: 401."""


class Unavailable(Exception):
    """Whether the credential is valid cannot be found out: 503."""


def authenticate(authorization):
    """Verifies JWTs offline and asks the authorization server about everything else; returns the claims."""
    token = credential(authorization)
    if token.count(".") != 2:
        return introspect(token)
    claims = verify(token)
    return introspect(token) if INTROSPECT_JWTS else claims


def credential(authorization):
    """The token of a Bearer header, or the API key of a Basic header: base64 of KEY or of KEY and a colon."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    if scheme.lower() == "basic":
        try:
            key, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise InvalidToken(error) from error
        if key and not password:
            return key
    raise InvalidToken("neither a Bearer token nor an API key")


def verify(token):
    """Checks a JWT access token as RFC 9068 section 4 says."""
    try:
        decoded = jwt.decode_complete(
            token,
            KEYS.get_signing_key_from_jwt(token),
            algorithms=["RS256"],
            issuer=ISSUER,
            audience=AUDIENCE,
            leeway=5,
            options={"require": ["iss", "aud", "exp", "client_id"]},
        )
    except jwt.PyJWKClientConnectionError as error:
        raise Unavailable(error) from error
    except jwt.PyJWTError as error:
        raise InvalidToken(error) from error
    # An ID token or a logout token has the same issuer and keys, and another type.
    if decoded["header"].get("typ") != "at+jwt":
        raise InvalidToken("not an access token")
    return decoded["payload"]


def introspect(token):
    """Asks whether a token or an API key is active (RFC 7662).

    Keyward answers so only to a resource server that the token is meant for.
    """
    try:
        response = requests.post(f"{ISSUER}/oauth/introspect", data={"token": token}, auth=CLIENT, timeout=5)
        response.raise_for_status()
        claims = response.json()
    except requests.RequestException as error:
        raise Unavailable(error) from error
    if not claims["active"]:
        raise InvalidToken("not active")
    return claims


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path != "/orders":
            self.answer(404, {"error": "not_found"})
        elif claims := self.authorized("orders:read"):
            self.answer(200, {"client_id": claims["client_id"], "orders": []})

    def authorized(self, scope):
        """The claims of a caller that has the scope; any other is answered with an error (RFC 6750 section 3)."""
        authorization = self.headers["Authorization"]
        if authorization is None:
            return self.answer(401, {"error": "unauthorized"}, {"WWW-Authenticate": "Bearer"})
        try:
            claims = authenticate(authorization)
        except InvalidToken:
            return self.answer(401, {"error": "invalid_token"}, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        except Unavailable as error:
            self.log_error("%s", error)
            return self.answer(503, {"error": "temporarily_unavailable"}, {"Retry-After": "1"})
        if scope not in claims.get("scope", "").split():
            challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
            return self.answer(403, {"error": "insufficient_scope"}, {"WWW-Authenticate": challenge})
        return claims

    def answer(self, status, document, headers=None):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
