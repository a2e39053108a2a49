"""requests_oauth2client as a client with the security profile fapi2. The server requires nonces, which the library takes
from the first response."""

import os

import requests
from jwskate import Jwk
from requests_oauth2client import DPoPKey, DPoPToken, InvalidTokenResponse, OAuth2Client, OAuth2Error, PrivateKeyJwt

ISSUER = os.environ["ISSUER"]
RESOURCE = os.environ["RESOURCE"]

with open(os.environ["KEY_FILE"], "rb") as file:
    key = Jwk({**Jwk.from_pem(file.read()), "kid": "interop", "alg": "ES256"})


def client(**options):
    authentication = PrivateKeyJwt(os.environ["CLIENT_ID"], key, **options)
    return OAuth2Client.from_discovery_endpoint(
        issuer=ISSUER, auth=authentication, testing=True, dpop_bound_access_tokens=True
    )


def refused(error, call):
    try:
        call()
    except (OAuth2Error, InvalidTokenResponse) as e:
        assert getattr(e, "error", None) == error, e
    else:
        raise AssertionError(f"not refused with {error}")


token = client(aud=ISSUER).client_credentials(resource=RESOURCE)
assert isinstance(token, DPoPToken), token
for _ in range(2):
    response = requests.get(f"{RESOURCE}/clients", auth=token, timeout=10)
    assert response.status_code == 200, response.text
print("private_key_jwt: a bound token, used at the management API")

stolen = DPoPToken(access_token=str(token.access_token), _dpop_key=DPoPKey.generate("ES256"))
response = requests.get(f"{RESOURCE}/clients", auth=stolen, timeout=10)
assert (response.status_code, response.json()["code"]) == (401, "invalid_token"), response.text
print("with another key: refused")

refused("invalid_dpop_proof", lambda: client(aud=ISSUER).client_credentials(resource=RESOURCE, dpop=False))
# What the library sends by itself: the token endpoint.
refused("invalid_client", lambda: client().client_credentials(resource=RESOURCE))
print("without a proof, and for the token endpoint: refused")
