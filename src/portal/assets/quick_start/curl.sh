#!/bin/sh
# Gets an access token and prints it. The client secret is in CLIENT_SECRET.
set -eu

client_id='{{client_id}}'
answer=$(curl --silent --show-error --max-time 10 \
    --user "$client_id:${CLIENT_SECRET:?}" \
    --data-urlencode grant_type=client_credentials \
    --data-urlencode 'scope={{scope}}' \
    --data-urlencode 'resource={{resource}}' \
    '{{token_endpoint}}')

token=$(printf '%s\n' "$answer" | sed -n 's/.*"access_token" *: *"\([^"]*\)".*/\1/p')
if [ -z "$token" ]; then
    # JSON with error and error_description.
    printf '%s\n' "$answer" >&2
    exit 1
fi
printf '%s\n' "$token"

# Send it with each request in the header: Authorization: Bearer TOKEN
# The resource server that accepts it: {{audience}}
