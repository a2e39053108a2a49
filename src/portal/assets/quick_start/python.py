"""Gets an access token and prints it. The client secret is in CLIENT_SECRET."""

import os
import sys

import requests

response = requests.post(
    "{{token_endpoint}}",
    auth=("{{client_id}}", os.environ["CLIENT_SECRET"]),
    data={
        "grant_type": "client_credentials",
        "scope": "{{scope}}",
        "resource": "{{resource}}",
    },
    timeout=10,
)
answer = response.json()
if not response.ok:
    sys.exit(f"{answer['error']}: {answer.get('error_description')}")
print(answer["access_token"])

# Send it with each request in the header: Authorization: Bearer TOKEN
# The resource server that accepts it: {{audience}}
