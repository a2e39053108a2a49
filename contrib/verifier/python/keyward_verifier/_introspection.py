import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from urllib.parse import quote_plus

import httpx

from ._errors import InvalidToken, Unavailable

_log = logging.getLogger("keyward_verifier")


class Introspection:
    """Introspection of credentials (RFC 7662), with a cache."""

    def __init__(self, client, url, options):
        self._client = client
        self._url = url
        # RFC 6749 section 2.3.1.
        self._auth = (quote_plus(options.client_id), quote_plus(options.client_secret))
        self._active_ttl = options.active_ttl
        self._inactive_ttl = options.inactive_ttl
        self._cache = AnswerCache(options.cache_size)
        # The calls that are running: concurrent requests with the same credential share one.
        self._calls = {}

    async def introspect(self, token):
        """The members of the response for an active credential."""
        # The cache holds no secret.
        digest = hashlib.sha256(token.encode()).digest()
        answer = self._cache.get(digest)
        if answer is None:
            call = self._calls.get(digest)
            if call is None:
                call = self._calls[digest] = asyncio.create_task(self._call(token, digest))
                call.add_done_callback(lambda _: self._calls.pop(digest, None))
            # A request that is cancelled does not cancel the call for the others.
            answer = await asyncio.shield(call)
        if not answer:
            raise InvalidToken
        return answer

    async def _call(self, token, digest):
        try:
            response = await self._client.post(
                self._url, data={"token": token}, auth=self._auth, headers={"accept": "application/json"}
            )
            response.raise_for_status()
            members = response.json()
            active = members["active"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            _log.warning("cannot introspect: %s: %r", self._url, error)
            raise Unavailable from error
        answer = members if active is True else {}
        self._cache.put(digest, answer, self._ttl(answer))
        return answer

    def _ttl(self, answer):
        """How long an answer is cached, in seconds: no longer than the credential is valid."""
        if not answer:
            return self._inactive_ttl
        if "exp" not in answer:
            return self._active_ttl
        return min(self._active_ttl, answer["exp"] - time.time())


class AnswerCache:
    """Answers by the digest of the credential, limited in number and time."""

    def __init__(self, size):
        self._size = size
        # The first entry is the one that was used least recently.
        self._entries = OrderedDict()

    def get(self, digest):
        entry = self._entries.get(digest)
        if entry is None:
            return None
        answer, expires_at = entry
        if time.monotonic() >= expires_at:
            del self._entries[digest]
            return None
        self._entries.move_to_end(digest)
        return answer

    def put(self, digest, answer, ttl):
        if ttl <= 0:
            return
        self._entries[digest] = (answer, time.monotonic() + ttl)
        self._entries.move_to_end(digest)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def __len__(self):
        return len(self._entries)
