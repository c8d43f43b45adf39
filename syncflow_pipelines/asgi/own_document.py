"""The application's own OpenAPI document, asked of it in this process: its port does not answer while it starts."""

import asyncio
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

from syncflow_pipelines.asgi.application import Application, Message, State
from syncflow_pipelines.config import ServiceConfig
from syncflow_pipelines.errors import SourceProtocolError, SourceUnreachable
from syncflow_pipelines.openapi.given import GivenSpec
from syncflow_pipelines.openapi.limits import LIMITS
from syncflow_pipelines.transport.redaction import Redaction


def is_endpoint(path: str) -> bool:
    """Whether it is asked of the application; other candidates are files."""
    return path.startswith("/")


async def own_document(app: Application, service: ServiceConfig, state: State) -> GivenSpec:
    """What the application answers to the first of the service's `openapi_paths` that it knows.

    Its middleware and the service's credentials take part, as they would over the network; `state` is what its
    lifespan yielded, which requests find in theirs. Raises
    `SourceProtocolError` where it answers none of them with 200, `SourceUnreachable` where that takes longer than
    `timeout_s`, and `ConfigurationError` where the credentials cannot be read.
    """
    answers: list[str] = []
    headers = service.auth.headers()
    for path in filter(is_endpoint, service.openapi_paths):
        try:
            async with asyncio.timeout(service.timeout_s):
                status, body = await _get(app, f"{service.base_url}{path}", headers, state)
        except TimeoutError:
            told = f"{service.name}: the application itself did not answer GET {path} within {service.timeout_s:g} s"
            raise SourceUnreachable(f"{told}; look after it, or raise timeout_s") from None
        if status == HTTPStatus.OK:
            return GivenSpec(path, Redaction(headers).mask_document(body))
        answers.append(f"GET {path}: {status}")
    raise SourceProtocolError(
        f"{service.name}: the application itself shows no OpenAPI document ({'; '.join(answers)}); mend openapi_path"
    )


async def _get(app: Application, url: str, headers: dict[str, str], state: State) -> tuple[int, bytes]:
    """Status and body of the application's answer."""
    answer = _Answer()
    try:
        await app(_scope(url, headers, state), answer.receive, answer.send)
    except SourceProtocolError:
        raise
    except Exception as error:
        if answer.status == 0:
            raise SourceProtocolError(f"the application itself failed at GET {url}: {type(error).__name__}") from error
    finally:
        answer.is_over.set()
    return answer.status, bytes(answer.body)


def _scope(url: str, headers: dict[str, str], state: State) -> MutableMapping[str, Any]:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    sent = {
        "host": parts.netloc,
        "accept": "application/json",
        **{name.lower(): text for name, text in headers.items()},
    }
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": parts.scheme,
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(name.encode(), text.encode("latin-1")) for name, text in sent.items()],
        "client": ("127.0.0.1", 0),
        "server": (parts.hostname, port),
        "state": dict(state),
    }


class _Answer:
    """Takes what an application sends."""

    def __init__(self) -> None:
        self.status = 0
        self.body = bytearray()
        self.is_over = asyncio.Event()
        self._is_asked = False

    async def receive(self) -> Message:
        if not self._is_asked:
            self._is_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.is_over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            if len(self.body) > LIMITS.max_bytes:
                raise SourceProtocolError(f"the application's own document has more than {LIMITS.max_bytes:,} bytes")
