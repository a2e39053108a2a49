"""The Codat platform's own SDK for Python, unmodified, with only its server URL set."""

import base64
import os
from datetime import datetime, timedelta, timezone

from codat_platform import CodatPlatform
from codat_platform.models import errors, shared

ISSUER = os.environ["ISSUER"]
API_KEY = os.environ["API_KEY"]
PLAIN_API_KEY = os.environ["PLAIN_API_KEY"]


def sdk(authorization):
    return CodatPlatform(security=shared.Security(auth_header=authorization), server_url=ISSUER).settings


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


def refused(status, call, kind=errors.ErrorMessage):
    try:
        call()
    except errors.CodatPlatformError as error:
        assert type(error) is kind, repr(error)
        assert error.status_code == status, error
        if kind is errors.ErrorMessage:
            assert error.data.status_code == status, error
            assert error.data.error and error.data.correlation_id, error
            assert error.data.correlation_id == error.headers["x-request-id"], error
            assert error.data.can_be_retried == "NotRetryable", error
        return error
    raise AssertionError(f"not refused with {status}")


def delete(keys, key_id):
    """Every release of this SDK reports a 204 as an error, since it requires a body, which a 204 cannot have."""
    refused(204, lambda: keys.delete_api_key(request={"api_key_id": key_id}), errors.ResponseValidationError)


keys = sdk(basic(API_KEY))
(first,) = keys.list_api_keys().results
assert first.name == "Default", first
assert API_KEY.startswith(first.api_key) and len(first.api_key) < 30, first
print("list: the first key, never in full")

made = keys.create_api_key(request={"name": "Zweiter Schlüssel"})
assert made.name == "Zweiter Schlüssel" and made.id in made.api_key, made
age = datetime.now(timezone.utc) - datetime.strptime(made.created_date, "%Y-%m-%dT%H:%M:%S%z")
assert abs(age) < timedelta(minutes=1), made
listed = {key.id: key for key in keys.list_api_keys().results}
assert set(listed) == {first.id, made.id}, listed
assert listed[made.id].api_key != made.api_key and made.api_key.startswith(listed[made.id].api_key)
print("create: shown in full once")

for authorization in f"Bearer {API_KEY}", basic(f"{API_KEY}:"):
    assert len(sdk(authorization).list_api_keys().results) == 2
print("authorization: any of the three forms")

refused(400, lambda: keys.create_api_key(request={"name": ""}))
refused(400, lambda: keys.create_api_key(request={"name": None}))
refused(400, lambda: keys.create_api_key())
refused(409, lambda: keys.create_api_key(request={"name": "Default"}))
for stranger in "Basic nonsense", basic("kwk_nobody"), basic("a:b"), "":
    refused(401, sdk(stranger).list_api_keys)
    refused(401, lambda: sdk(stranger).create_api_key(request={"name": "x"}))
    refused(401, lambda: sdk(stranger).delete_api_key(request={"api_key_id": made.id}))
for authorization in basic(PLAIN_API_KEY), basic(made.api_key):
    refused(403, sdk(authorization).list_api_keys)
    refused(403, lambda: sdk(authorization).create_api_key(request={"name": "x"}))
    refused(403, lambda: sdk(authorization).delete_api_key(request={"api_key_id": first.id}))
for unknown in "nobody", "0" * 16, PLAIN_API_KEY.split("_")[1], "../oauth/token", "ä/ö %00":
    refused(404, lambda: keys.delete_api_key(request={"api_key_id": unknown}))
print("errors: 400, 401, 403, 404, 409 as the SDK knows them")

for number in range(8):
    keys.create_api_key(request={"name": f"Key {number}"})
refused(409, lambda: keys.create_api_key(request={"name": "Key 10"}))
print("create: ten and no more")

everything = keys.list_api_keys().results
assert len(everything) == 10
for key in everything:
    if key.id != first.id:
        delete(keys, key.id)
assert [key.id for key in keys.list_api_keys().results] == [first.id]
refused(401, sdk(basic(made.api_key)).list_api_keys)
refused(404, lambda: keys.delete_api_key(request={"api_key_id": made.id}))
# The SDK has no model for this response.
refused(409, lambda: keys.delete_api_key(request={"api_key_id": first.id}), errors.SDKError)
print("delete: gone at once; the last one stays")
