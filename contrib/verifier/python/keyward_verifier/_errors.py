class InvalidToken(Exception):
    """The credential is malformed, expired, revoked or not for this resource server."""


class Unavailable(Exception):
    """The issuer could not be reached, so nothing is known about the credential."""
