"""PyJWT as a resource server that verifies tokens offline with the published keys."""

import base64
import json
import os

import jwt
import requests

ISSUER = os.environ["ISSUER"]
CLIENT_ID = os.environ["CLIENT_ID"]
RESOURCE = os.environ["RESOURCE"]
REQUIRED = ["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope"]

metadata = requests.get(f"{ISSUER}/.well-known/oauth-authorization-server", timeout=10).json()
token = requests.post(
    metadata["token_endpoint"],
    data={"grant_type": "client_credentials", "resource": RESOURCE},
    auth=(CLIENT_ID, os.environ["CLIENT_SECRET"]),
    timeout=10,
).json()["access_token"]
keys = jwt.PyJWKClient(metadata["jwks_uri"], timeout=10)


def check(token, audience=RESOURCE, issuer=ISSUER):
    key = keys.get_signing_key_from_jwt(token)
    return jwt.decode(
        token, key, algorithms=["RS256"], audience=audience, issuer=issuer, options={"require": REQUIRED}
    )


def refused(error, *args, **kwargs):
    try:
        check(*args, **kwargs)
    except error:
        return
    raise AssertionError(f"not refused with {error.__name__}")


claims = check(token)
assert claims["client_id"] == claims["sub"] == CLIENT_ID, claims
assert claims["aud"] == RESOURCE, claims
assert claims["exp"] > claims["iat"], claims
assert set(claims["scope"].split()) == set(os.environ["SCOPE"].split()), claims
print("token: verified with the published keys")

header = jwt.get_unverified_header(token)
assert header["typ"] == "at+jwt", header
assert header["alg"] == "RS256", header
print("token: header by RFC 9068")

head, payload, signature = token.split(".")
forged = base64.urlsafe_b64encode(json.dumps(claims | {"scope": "everything"}).encode()).decode().rstrip("=")
refused(jwt.InvalidSignatureError, f"{head}.{forged}.{signature}")
flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
refused(jwt.InvalidSignatureError, f"{head}.{payload}.{flipped}")
print("token: refused when tampered with")

refused(jwt.InvalidAudienceError, token, audience="https://other.example")
refused(jwt.InvalidIssuerError, token, issuer="https://other.example")
print("token: refused for another audience or issuer")

try:
    keys.get_signing_key("no-such-key")
except jwt.PyJWKClientError:
    print("keys: an unknown kid finds none")
else:
    raise AssertionError("an unknown kid found a key")
