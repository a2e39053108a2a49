from fastapi import HTTPException

_STATUS = {"unauthorized": 401, "invalid_token": 401, "insufficient_scope": 403, "temporarily_unavailable": 503}


class Refusal(HTTPException):
    """The reason why a request is refused; `temporarily_unavailable` says nothing about the credential."""

    def __init__(self, code, scope=None, resource_metadata=None):
        self.code = code
        super().__init__(_STATUS[code], code, _headers(code, scope, resource_metadata))


def _headers(code, scope, resource_metadata):
    """The challenge (RFC 6750 section 3, RFC 9728 section 5.1)."""
    if code == "temporarily_unavailable":
        return {"Retry-After": "1"}
    parameters = []
    # A request without a credential gets no error code (RFC 6750 section 3.1).
    if code != "unauthorized":
        parameters.append(f'error="{code}"')
    if scope:
        parameters.append(f'scope="{scope}"')
    if resource_metadata:
        parameters.append(f'resource_metadata="{resource_metadata}"')
    return {"WWW-Authenticate": ("Bearer " + ", ".join(parameters)).rstrip()}
