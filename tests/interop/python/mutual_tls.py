"""requests_oauth2client and Authlib with mutual TLS (RFC 8705): the certificate is that of their session, and the token
endpoint the one of mtls_endpoint_aliases."""

import base64
import hashlib
import os
import ssl

import jwt
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from requests_oauth2client import InvalidClient, OAuth2Client, PublicApp

ISSUER = os.environ["ISSUER"]
CA_FILE = os.environ["CA_FILE"]
ISSUED = (os.environ["ISSUED_CERTIFICATE"], os.environ["ISSUED_KEY"])
OWN = (os.environ["OWN_CERTIFICATE"], os.environ["OWN_KEY"])
ISSUED_CLIENT_ID = os.environ["ISSUED_CLIENT_ID"]
OWN_CLIENT_ID = os.environ["OWN_CLIENT_ID"]

metadata = requests.get(f"{ISSUER}/.well-known/oauth-authorization-server", verify=CA_FILE, timeout=10).json()
ENDPOINT = metadata["mtls_endpoint_aliases"]["token_endpoint"]


# With it, the environment (REQUESTS_CA_BUNDLE) takes precedence over the certificate authority of a session.
TRUST_ENVIRONMENT = False


def by_requests_oauth2client(client_id, certificate):
    session = requests.Session()
    session.trust_env = TRUST_ENVIRONMENT
    session.verify, session.cert = CA_FILE, certificate
    client = OAuth2Client(ENDPOINT, auth=PublicApp(client_id), session=session, testing=True)
    return client.client_credentials(scope="read").access_token


def by_authlib(client_id, certificate):
    session = OAuth2Session(client_id, token_endpoint_auth_method="none", default_timeout=10)
    session.trust_env = TRUST_ENVIRONMENT
    session.verify, session.cert = CA_FILE, certificate
    return session.fetch_token(ENDPOINT, grant_type="client_credentials", scope="read")["access_token"]


def thumbprint(certificate):
    with open(certificate[0], encoding="ascii") as file:
        der = ssl.PEM_cert_to_DER_cert(file.read())
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()


for name, ask in [("requests_oauth2client", by_requests_oauth2client), ("Authlib", by_authlib)]:
    for client_id, certificate in [(ISSUED_CLIENT_ID, ISSUED), (OWN_CLIENT_ID, OWN)]:
        claims = jwt.decode(ask(client_id, certificate), options={"verify_signature": False})
        assert claims["client_id"] == client_id, claims
        assert claims["cnf"] == {"x5t#S256": thumbprint(certificate)}, claims
    for client_id, certificate in [(ISSUED_CLIENT_ID, OWN), (OWN_CLIENT_ID, ISSUED), (OWN_CLIENT_ID, None)]:
        try:
            ask(client_id, certificate)
        except InvalidClient:
            pass
        except OAuthError as e:
            assert e.error == "invalid_client", e
        else:
            raise AssertionError("not refused with invalid_client")
    print(f"{name}: bound to the certificate, and refused with another one and without")
