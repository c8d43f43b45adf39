"""A backend that does what is asked of it: `python -m benchmarks.gateway_backend PORT FILE DELAY_S`.

`GET /down?bytes=` sends so many, `POST /up` counts what comes, `GET /events` is a stream of events that `POST /tell`
tells something to all of, `/hang` never answers, and `POST /once?id=` writes the id into the file before it answers,
after a delay.
"""

import asyncio
import sys
from typing import BinaryIO

from aiohttp import web

_PIECE = bytes(256 * 1024)


class Backend:
    def __init__(self, file: BinaryIO, delay_s: float) -> None:
        self._file, self._delay_s = file, delay_s
        self._listeners: set[asyncio.Queue[bytes]] = set()

    def application(self) -> web.Application:
        application = web.Application(client_max_size=2**40)
        application.add_routes(
            [
                web.get("/down", self.down),
                web.post("/up", self.up),
                web.get("/events", self.events),
                web.post("/tell", self.tell),
                web.post("/once", self.once),
                web.route("*", "/hang", self.hang),
                web.get("/x", self.small),
            ]
        )
        return application

    async def small(self, _: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def down(self, request: web.Request) -> web.StreamResponse:
        left = int(request.query["bytes"])
        answer = web.StreamResponse(headers={"Content-Length": str(left)})
        await answer.prepare(request)
        while left:
            piece = _PIECE[:left]
            await answer.write(piece)
            left -= len(piece)
        return answer

    async def up(self, request: web.Request) -> web.Response:
        came = 0
        async for piece in request.content.iter_any():
            came += len(piece)
        return web.json_response({"bytes": came})

    async def events(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b"data: open\n\n")
        told: asyncio.Queue[bytes] = asyncio.Queue()
        self._listeners.add(told)
        try:
            while True:
                await answer.write(b"data: " + await told.get() + b"\n\n")
        finally:
            self._listeners.discard(told)

    async def tell(self, request: web.Request) -> web.Response:
        word = await request.read()
        for told in self._listeners:
            told.put_nowait(word)
        return web.json_response({"told": len(self._listeners)})

    async def once(self, request: web.Request) -> web.Response:
        self._file.write(request.query["id"].encode() + b"\n")
        await asyncio.sleep(self._delay_s)
        return web.json_response({"id": request.query["id"]})

    async def hang(self, _: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")


def main(port: int, file: str, delay_s: float) -> None:
    with open(file, "ab", buffering=0) as ids:
        application = Backend(ids, delay_s).application()
        web.run_app(
            application,
            host="127.0.0.1",
            port=port,
            backlog=4096,
            print=None,
            access_log=None,
            shutdown_timeout=0.1,
            handler_cancellation=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
