"""A server's layers without a server: ASGI applications that the tests write, asked through httpx."""

import asyncio
import json

import httpx


def refuse(scope, status, told):
    """A refusal as the tests read it."""

    async def answer(_scope, _receive, send):
        await respond(send, status, json.dumps({"refused": told}).encode())

    return answer


async def respond(send, status=200, body=b"{}", headers=()):
    start = {"type": "http.response.start", "status": status}
    await send(start | {"headers": [(b"content-type", b"application/json"), *headers]})
    await send({"type": "http.response.body", "body": body})


async def read(receive):
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def echo(scope, receive, send):
    """Answer with what came."""
    body = await read(receive)
    await respond(send, 200, json.dumps({"length": len(body), "state": sorted(scope.get("state", {}))}).encode())


def ask(app, method, path, client=("10.0.0.9", 4321), **kwargs):
    """One request, in a loop of its own."""

    async def call():
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=client)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as http:
            return await http.request(method, path, **kwargs)

    return asyncio.run(call())


async def pieces(parts):
    """A body in chunks, without a length."""
    for part in parts:
        yield part
