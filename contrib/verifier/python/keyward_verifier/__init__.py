"""FastAPI dependencies that verify JWT access tokens (RFC 9068) offline and API keys by introspection (RFC 7662).

Requests without a valid credential are answered as RFC 6750 says.
"""

from ._refusal import Refusal
from ._verifier import Caller, Options, Verifier

__all__ = ["Caller", "Options", "Refusal", "Verifier"]
