"""Authlib as a client and as a resource server."""

import os
import uuid

import jwt
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url

ISSUER = os.environ["ISSUER"]
CLIENT_ID = os.environ["CLIENT_ID"]
CLIENT_SECRET = os.environ["CLIENT_SECRET"]
SCOPE = os.environ["SCOPE"]
RESOURCE = os.environ["RESOURCE"]
JWT_CLIENT_ID = os.environ["JWT_CLIENT_ID"]


def session(client_id, client_secret, method="client_secret_basic", **options):
    return OAuth2Session(
        client_id,
        client_secret,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        default_timeout=10,
        **options,
    )


def refused(error, call):
    try:
        call()
    except OAuthError as e:
        assert e.error == error, e
        assert e.description, "no error_description"
    else:
        raise AssertionError(f"not refused with {error}")


def claims(token):
    return jwt.decode(token["access_token"], options={"verify_signature": False})


def discovery():
    response = requests.get(get_well_known_url(ISSUER, external=True), timeout=10)
    assert response.status_code == 200, response.text
    metadata = AuthorizationServerMetadata(response.json())
    metadata.validate()
    assert metadata["issuer"] == ISSUER, metadata["issuer"]
    assert "client_credentials" in metadata.grant_types_supported
    assert {"client_secret_basic", "client_secret_post", "private_key_jwt"} <= set(
        metadata.token_endpoint_auth_methods_supported
    )
    print("metadata: valid by RFC 8414")
    return metadata


def client_credentials(metadata, method):
    client = session(CLIENT_ID, CLIENT_SECRET, method, scope=SCOPE)
    token = client.fetch_token(metadata["token_endpoint"], grant_type="client_credentials", resource=RESOURCE)
    assert token["token_type"] == "Bearer", token["token_type"]
    assert token["expires_in"] > 0, token["expires_in"]
    assert set(token["scope"].split()) == set(SCOPE.split()), token["scope"]
    assert "refresh_token" not in token
    assert claims(token)["client_id"] == CLIENT_ID
    assert claims(token)["aud"] == RESOURCE
    print(f"client credentials: {method}")
    return client, token


def refusals(metadata):
    endpoint = metadata["token_endpoint"]
    client = session(CLIENT_ID, CLIENT_SECRET)
    refused("invalid_scope", lambda: client.fetch_token(endpoint, scope="no-such-scope"))
    refused("invalid_target", lambda: client.fetch_token(endpoint, resource="urn:no-such-resource"))
    refused("unsupported_grant_type", lambda: client.fetch_token(endpoint, grant_type="urn:no-such-grant"))
    for method in "client_secret_basic", "client_secret_post":
        impostor = session(CLIENT_ID, "wrong", method)
        refused("invalid_client", lambda: impostor.fetch_token(endpoint))
    print("client credentials: refusals")


def private_key_jwt(metadata):
    with open(os.environ["JWT_KEY_FILE"]) as file:
        key = file.read()
    endpoint = metadata["token_endpoint"]

    def fetch(audience, **extra_claims):
        client = session(JWT_CLIENT_ID, key, "private_key_jwt")
        client.register_client_auth_method(PrivateKeyJWT(audience, claims=extra_claims or None))
        return client.fetch_token(endpoint)

    assert claims(fetch(ISSUER))["client_id"] == JWT_CLIENT_ID
    print("client credentials: private_key_jwt")

    jti = str(uuid.uuid4())
    fetch(ISSUER, jti=jti)
    refused("invalid_client", lambda: fetch(ISSUER, jti=jti))
    for audience in endpoint, "https://other.example":
        refused("invalid_client", lambda: fetch(audience))
    print("private_key_jwt: an assertion used twice or not meant for the issuer is refused")


def introspection_and_revocation(metadata, client, token):
    access_token = token["access_token"]
    resource_server = session(os.environ["INTROSPECTION_CLIENT_ID"], os.environ["INTROSPECTION_CLIENT_SECRET"])

    def introspect(value):
        response = resource_server.introspect_token(metadata["introspection_endpoint"], token=value)
        assert response.status_code == 200, response.text
        return response.json()

    answer = introspect(access_token)
    assert answer["active"] is True, answer
    assert set(answer["scope"].split()) == set(SCOPE.split()), answer
    for name, value in claims(token).items():
        assert name == "scope" or answer[name] == value, name
    assert introspect("nonsense") == {"active": False}
    print("introspection: active, with the token's claims")

    response = client.revoke_token(metadata["revocation_endpoint"], token=access_token, token_type_hint="access_token")
    assert response.status_code == 200, response.text
    assert introspect(access_token) == {"active": False}
    print("revocation: inactive afterwards")

    response = client.revoke_token(metadata["revocation_endpoint"], token=access_token)
    assert response.status_code == 200, response.text
    print("revocation: again is no error")


metadata = discovery()
client_credentials(metadata, "client_secret_post")
client, token = client_credentials(metadata, "client_secret_basic")
introspection_and_revocation(metadata, client, token)
private_key_jwt(metadata)
refusals(metadata)
