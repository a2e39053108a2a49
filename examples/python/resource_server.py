"""A resource server: GET /orders is for callers whose access token or API key has the scope orders:read."""

import logging
import os
import socket

import uvicorn
from fastapi import Depends, FastAPI
from keyward_verifier import Caller, Options, Verifier

verifier = Verifier(
    Options(
        issuer=os.environ["ISSUER"],
        audience=os.environ["AUDIENCE"],
        client_id=os.environ["CLIENT_ID"],
        client_secret=os.environ["CLIENT_SECRET"],
        introspect_jwts=os.environ.get("INTROSPECT_JWTS") == "true",
        active_ttl=float(os.environ.get("CACHE_SECONDS", "10")),
        inactive_ttl=float(os.environ.get("CACHE_SECONDS", "10")),
        min_refresh_interval=float(os.environ.get("REFRESH_SECONDS", "5")),
        resource_metadata=os.environ.get("RESOURCE_METADATA"),
    )
)
app = FastAPI()
verifier.install(app)


@app.get("/orders")
async def orders(caller: Caller = Depends(verifier.require("orders:read"))):
    return {"client_id": caller.client_id, "orders": []}


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    listener = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "9000"))))
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
