import asyncio
import logging
import math
import time

import httpx
import jwt

from ._errors import InvalidToken, Unavailable

_log = logging.getLogger("keyward_verifier")

# How long the keys are fresh if the response does not say so, in seconds.
_DEFAULT_MAX_AGE = 300
# The longest that the keys are taken to be fresh, in seconds.
_LONGEST_MAX_AGE = 86_400
# The type and the curve that belong to each algorithm.
_KEY_TYPES = {"RS256": ("RSA", None), "PS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}


class Keys:
    """The keys of the issuer, fetched when they are needed."""

    def __init__(self, client, url, min_refresh_interval):
        self._client = client
        self._url = url
        self._min_refresh_interval = min_refresh_interval
        self._by_kid = {}
        self._fresh_until = -math.inf
        self._attempt_ended = -math.inf
        self._failed = False
        self._fetching = None

    async def key(self, kid, algorithm):
        """The key for the header of a JWT.

        Keys that are no longer fresh, or a kid that is unknown, lead to a request, if the last one is long enough
        ago. If the issuer does not answer, the old keys stay in use.
        """
        now = time.monotonic()
        known = kid in self._by_kid
        if now - self._attempt_ended >= self._min_refresh_interval and not (known and now < self._fresh_until):
            if self._fetching is None:
                self._fetching = asyncio.create_task(self._fetch())
            # If the issuer did not answer last time, nobody waits for the next attempt.
            if not (known and self._failed):
                # A request that is cancelled does not cancel the call for the others.
                await asyncio.shield(self._fetching)
        key = self._by_kid.get(kid)
        if key is None and self._failed:
            raise Unavailable(f"no key {kid!r}, and {self._url} does not answer")
        # A key is used with its own algorithm, never with one that only the token names.
        if key is None or key.algorithm_name != _canonical(algorithm):
            raise InvalidToken
        return key

    async def _fetch(self):
        try:
            response = await self._client.get(self._url)
            response.raise_for_status()
            parsed = [_parse(jwk) for jwk in response.json()["keys"]]
            self._by_kid = {key.key_id: key for key in parsed if key is not None}
            fresh = max_age(response.headers.get("cache-control"), response.headers.get("age"))
            self._fresh_until = time.monotonic() + fresh
            self._failed = False
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            self._failed = True
            _log.warning("cannot fetch the keys of the issuer: %s: %r", self._url, error)
        finally:
            self._attempt_ended = time.monotonic()
            self._fetching = None


def _canonical(algorithm):
    """EdDSA with Ed25519 has two names (RFC 9864)."""
    return "EdDSA" if algorithm == "Ed25519" else algorithm


def _parse(jwk):
    """A key for signatures by an algorithm that this package knows."""
    key_type, curve = jwk.get("kty"), jwk.get("crv")
    algorithm = _canonical(jwk.get("alg"))
    if algorithm is None:
        algorithm = next((name for name, pair in _KEY_TYPES.items() if pair == (key_type, curve)), None)
    if jwk.get("use", "sig") != "sig" or not jwk.get("kid") or _KEY_TYPES.get(algorithm) != (key_type, curve):
        return None
    try:
        return jwt.PyJWK(jwk, algorithm)
    except jwt.PyJWTError:
        return None


def max_age(cache_control, age):
    """How long a response is fresh, in seconds (RFC 9111 section 4.2), from Cache-Control and Age."""
    if cache_control is None:
        return _DEFAULT_MAX_AGE
    directives = {}
    for directive in cache_control.split(","):
        name, _, value = directive.partition("=")
        directives[name.strip().lower()] = value.strip().strip('"')
    if "no-store" in directives or "no-cache" in directives:
        return 0
    if "max-age" not in directives:
        return _DEFAULT_MAX_AGE
    seconds = _number(directives["max-age"]) - _number(age)
    return min(max(seconds, 0), _LONGEST_MAX_AGE)


def _number(text):
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() else 0
