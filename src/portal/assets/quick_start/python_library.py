{{secret}}"""Gets an access token and prints it. The client secret is in CLIENT_SECRET."""
{{key}}"""Gets an access token and prints it. CLIENT_KEY names the file with the private key, a JWK with alg and kid."""

{{key}}import json
import os

{{key}}from jwskate import Jwk
{{key}}from requests_oauth2client import OAuth2Client, PrivateKeyJwt
{{secret}}from requests_oauth2client import OAuth2Client

{{key}}with open(os.environ["CLIENT_KEY"]) as file:
{{key}}    key = Jwk(json.load(file))
client = OAuth2Client(
    token_endpoint="{{token_endpoint}}",
{{secret}}    client_id="{{client_id}}",
{{secret}}    client_secret=os.environ["CLIENT_SECRET"],
{{key}}    auth=PrivateKeyJwt("{{client_id}}", key, aud="{{issuer}}"),
{{dpop}}    dpop_bound_access_tokens=True,
{{http}}    testing=True,  # There is no TLS.
)
token = client.client_credentials(
    scope="{{scope}}",
    resource="{{resource}}",
)
print(token.access_token)

# Send it with each request, in the header and with the proof that it needs: requests.get(url, auth=token)
# The resource server that accepts it: {{audience}}
