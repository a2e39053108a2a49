"""The official MCP SDK for Python, as a client and as the server that it calls.

Prints the URL of the MCP server once it listens, and then reads the credentials from standard input: the resource
server has to be created with that URL first."""

import asyncio
import json
import os
import socket
import sys

import jwt
import uvicorn
from mcp import Client
from mcp.client.auth import OAuthFlowError, OAuthTokenError
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from mcp.shared._httpx_utils import create_mcp_http_client

ISSUER = os.environ["ISSUER"]

listener = socket.create_server(("127.0.0.1", 0))
URL = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
presented = []


class Verifier:
    """As in docs/integrations.md."""

    keys = jwt.PyJWKClient(ISSUER + "/.well-known/jwks.json", lifespan=300)

    async def verify_token(self, token):
        try:
            key = await asyncio.to_thread(self.keys.get_signing_key_from_jwt, token)
            claims = jwt.decode(token, key, algorithms=["RS256"], issuer=ISSUER, audience=URL)
        except jwt.PyJWTError:
            return None
        presented.append(claims)
        return AccessToken(
            token=token,
            client_id=claims["client_id"],
            scopes=claims["scope"].split(),
            expires_at=claims["exp"],
            resource=URL,
        )


class Storage:
    tokens = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return None

    async def set_client_info(self, client_info):
        raise AssertionError("there is nothing to register")


mcp = MCPServer(
    "Orders",
    token_verifier=Verifier(),
    auth=AuthSettings(
        issuer_url=ISSUER, resource_server_url=URL, required_scopes=["read"], validate_token_resource=True
    ),
)


@mcp.tool()
def add(a: int, b: int) -> int:
    return a + b


async def called(provider):
    async with create_mcp_http_client(auth=provider) as http, Client(streamable_http_client(URL, http_client=http)) as client:
        result = await client.call_tool("add", {"a": 20, "b": 22})
        return result.structured_content["result"]


def causes(error):
    if isinstance(error, BaseExceptionGroup):
        return [cause for inner in error.exceptions for cause in causes(inner)]
    return [error]


async def main():
    config = uvicorn.Config(mcp.streamable_http_app(), log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    print(URL, flush=True)
    given = json.loads(await asyncio.to_thread(sys.stdin.readline))

    for method in ["client_secret_basic", "client_secret_post"]:
        storage = Storage()
        provider = ClientCredentialsOAuthProvider(
            URL, storage, given["client_id"], given["client_secret"], method, "read", ISSUER
        )
        assert await called(provider) == 42
        claims = presented[-1]
        assert (claims["client_id"], claims["aud"], claims["scope"]) == (given["client_id"], URL, "read"), claims
        assert storage.tokens.token_type == "Bearer" and storage.tokens.expires_in > 0
        print(method)

    for algorithm, keyed in given["keyed"].items():
        client_id = keyed["client_id"]
        with open(keyed["key_file"]) as file:
            key = file.read()
        parameters = SignedJWTParameters(
            issuer=client_id, subject=client_id, signing_key=key, signing_algorithm=algorithm
        )
        provider = PrivateKeyJWTOAuthProvider(
            URL, Storage(), client_id, parameters.create_assertion_provider(), "read", ISSUER
        )
        assert await called(provider) == 42
        assert presented[-1]["client_id"] == client_id
        print("private_key_jwt:", algorithm)

    before = len(presented)
    wrong = ClientCredentialsOAuthProvider(
        URL, Storage(), given["client_id"], "wrong", "client_secret_basic", "read", ISSUER
    )
    try:
        await called(wrong)
    except BaseException as error:
        assert any(isinstance(cause, (OAuthFlowError, OAuthTokenError)) for cause in causes(error)), causes(error)
    else:
        raise AssertionError("a wrong secret is refused")
    assert len(presented) == before
    print("a wrong secret is refused")

    server.should_exit = True
    await serving


asyncio.run(main())
