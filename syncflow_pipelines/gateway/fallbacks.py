"""What is answered while an endpoint is not asked: something fixed, or what it last said to the same question."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from syncflow_pipelines.config.gateway import FallbackConfig
from syncflow_pipelines.transport import detour

Header = tuple[bytes, bytes]
"""Name, in lower case, and value."""

FALLBACK_HEADER: Final = detour.FALLBACK_HEADER.encode()
"""On an answer that was given instead of the endpoint's: the strategy. An upstream's header of that name is dropped."""

MAX_TARGETS: Final = 1000
MAX_BYTES: Final = 32 * 1024 * 1024
MAX_BODY_BYTES: Final = 1024 * 1024
_VARIANTS: Final = 8
_OVERHEAD_BYTES: Final = 512
"""What an answer takes beside its bytes."""

_CREDENTIALS: Final = (b"auth", b"cookie", b"token", b"key", b"secret", b"session", b"signature", b"password")
"""A request with a header whose name holds one of these is somebody's own, and so is the answer to it."""
_IDENTITIES: Final = (b"user", b"identity", b"account", b"tenant", b"email", b"jwt", b"credential", b"client-cert")
"""The same of headers in which proxies and their kind say who somebody is."""
_OF_PROGRAMS: Final = frozenset({b"user-agent", b"sec-fetch-user"})
_UNKEPT: Final = frozenset({b"no-store", b"private", b"no-cache", b"must-revalidate", b"proxy-revalidate"})
"""RFC 9111, 4.2.4: an answer with one of these is not given without asking the endpoint."""
_REDIRECTING: Final = frozenset(
    {b"x-original-url", b"x-rewrite-url", b"x-original-host", b"x-host", b"x-http-method-override", b"x-http-method"}
)
"""With one of these, a client asks some servers something else than its target says."""
_WRITTEN_BY_US: Final = frozenset({b"forwarded", b"via", b"x-request-id"})
"""As are all of `X-Forwarded-…`: the endpoint saw others than the client sent."""
_OF_ONE_EXCHANGE: Final = frozenset({b"age", b"content-length", b"set-cookie", b"x-request-id", FALLBACK_HEADER})
_BODILESS: Final = frozenset({204, 205, 304})
_STALE: Final = (b"warning", b'110 - "Response is Stale"')


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. To HEAD, its headers are given without its body."""

    status: int
    headers: tuple[Header, ...]
    """`Content-Length` among them where there is a body; none of a hop."""
    body: bytes


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: Answer
    at: float
    age_s: int
    """That it had when it came."""

    @property
    def size_bytes(self) -> int:
        headers = sum(len(name) + len(value) for name, value in self.answer.headers)
        return _OVERHEAD_BYTES + headers + len(self.answer.body)


class _Variants:
    """The answers to one target, by the headers of the request that its `Vary` names."""

    __slots__ = ("answers", "names")

    def __init__(self, names: tuple[bytes, ...]) -> None:
        self.names = names
        self.answers: OrderedDict[tuple[bytes, ...], _Kept] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        return sum(kept.size_bytes + sum(map(len, selected)) for selected, kept in self.answers.items())


class AnswerCache:
    """The last good answers to GET, as RFC 9111 lets a cache keep them that many share. Belongs to one event loop.

    Those of the targets that were asked for longest ago go first. It is bounded in targets, variants and bytes.
    """

    def __init__(
        self,
        max_age_s: float,
        *,
        max_targets: int = MAX_TARGETS,
        max_bytes: int = MAX_BYTES,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_age_s, self._max_targets, self._max_bytes, self._now = max_age_s, max_targets, max_bytes, now
        self._targets: OrderedDict[bytes, _Variants] = OrderedDict()
        self._size_bytes = 0

    def __len__(self) -> int:
        return sum(len(variants.answers) for variants in self._targets.values())

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def record(
        self, target: bytes, request: Iterable[Header], status: int, headers: Iterable[Header]
    ) -> "Recording | None":
        """Where the answer to a GET, of which the head has come, is to be kept; None where it is not.

        `target`: raw path and query, as the client sent them. `headers`: the upstream's, without those of the hop.
        """
        asked, said = tuple(request), tuple(headers)
        if status != 200 or not _may_be_shared(asked, said):
            return None
        return Recording(self, target, asked, said)

    def find(self, target: bytes, request: Iterable[Header]) -> Answer | None:
        """The last good answer to that question, with its `Age`; None where there is none, or it is too old."""
        variants, asked = self._targets.get(target), tuple(request)
        if variants is None or _has_body(asked):
            return None
        kept = variants.answers.get(_selected(asked, variants.names))
        if kept is None or self._now() - kept.at > self._max_age_s:
            return None
        self._targets.move_to_end(target)
        return self._aged(kept)

    def _aged(self, kept: _Kept) -> Answer:
        age = kept.age_s + int(self._now() - kept.at)
        marks = ((b"age", str(age).encode()), _STALE, (FALLBACK_HEADER, b"cached"))
        return Answer(kept.answer.status, (*kept.answer.headers, *marks), kept.answer.body)

    def _keep(self, target: bytes, request: tuple[Header, ...], headers: tuple[Header, ...], body: bytes) -> None:
        names = _vary(headers)
        variants = self._targets.get(target)
        self._drop(target)
        if variants is None or variants.names != names:
            variants = _Variants(names)
        selected = _selected(request, names)
        variants.answers.pop(selected, None)
        variants.answers[selected] = _Kept(_answer(headers, body), self._now(), _age_of(headers))
        if len(variants.answers) > _VARIANTS:
            variants.answers.popitem(last=False)
        self._targets[target] = variants
        self._size_bytes += len(target) + variants.size_bytes
        while self._size_bytes > self._max_bytes or len(self._targets) > self._max_targets:
            self._drop(next(iter(self._targets)))

    def _drop(self, target: bytes) -> None:
        dropped = self._targets.pop(target, None)
        self._size_bytes -= len(target) + dropped.size_bytes if dropped else 0


class Recording:
    """An answer on its way to a client, being kept. One that is torn is let go of, and nothing is kept of it."""

    __slots__ = ("_cache", "_chunks", "_headers", "_request", "_size", "_target")

    def __init__(
        self, cache: AnswerCache, target: bytes, request: tuple[Header, ...], headers: tuple[Header, ...]
    ) -> None:
        self._cache, self._target, self._request, self._headers = cache, target, request, headers
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        """The next bytes of the body. Past the size of what is kept, nothing more is held of it."""
        self._size += len(chunk)
        if self._size > MAX_BODY_BYTES:
            self._chunks.clear()
        else:
            self._chunks.append(chunk)

    def finish(self) -> None:
        """The whole body has come: the answer takes the place of an older one."""
        if self._size <= MAX_BODY_BYTES:
            self._cache._keep(self._target, self._request, self._headers, b"".join(self._chunks))


class Fallback:
    """What one endpoint falls back on."""

    __slots__ = ("_static", "alternate", "cache", "strategy")

    def __init__(self, config: FallbackConfig, *, now: Callable[[], float] = time.monotonic) -> None:
        self.strategy = config.strategy
        self.cache = AnswerCache(config.max_age_s, now=now) if config.strategy == "cached" else None
        """To record the answers to GET in; None with another strategy."""
        self.alternate = config.alternate if config.strategy == "alternate" else None
        """Whom to ask instead. Only a request that comes from a client follows it: so there are no loops."""
        self._static = _static(config) if config.strategy == "static" else None

    def answer(self, method: str, target: bytes, request: Iterable[Header]) -> Answer | None:
        """What to say without asking anybody; None where there is nothing, and 503 it is."""
        if self.cache is not None and method in ("GET", "HEAD"):
            return self.cache.find(target, request)
        return self._static


def _static(config: FallbackConfig) -> Answer:
    mark = (FALLBACK_HEADER, b"static")
    if config.status in _BODILESS:
        return Answer(config.status, (mark,), b"")
    body = config.body.encode()
    kind, length = config.content_type.encode("latin-1"), str(len(body)).encode()
    return Answer(config.status, ((b"content-type", kind), (b"content-length", length), mark), body)


def _may_be_shared(request: tuple[Header, ...], headers: tuple[Header, ...]) -> bool:
    control = _directives(headers, b"cache-control")
    names = {name for name, _ in headers}
    if control & _UNKEPT or b"set-cookie" in names or any(map(_is_beyond_us, _vary(headers))):
        return False
    if any(name in _REDIRECTING for name, _ in request):
        return False
    if _length_of(headers) > MAX_BODY_BYTES or _has_body(request):
        return False
    return b"public" in control or not _is_somebodys(request)


def _is_somebodys(request: tuple[Header, ...]) -> bool:
    words = (*_CREDENTIALS, *_IDENTITIES)
    return any(word in name for name, _ in request if name not in _OF_PROGRAMS for word in words)


def _is_beyond_us(varying: bytes) -> bool:
    """Whether an answer that varies with that header cannot be told from another one by what the client sent."""
    return varying == b"*" or varying in _WRITTEN_BY_US or varying.startswith(b"x-forwarded-")


def _has_body(request: tuple[Header, ...]) -> bool:
    return any(name == b"transfer-encoding" or (name == b"content-length" and value != b"0") for name, value in request)


def _directives(headers: tuple[Header, ...], wanted: bytes) -> set[bytes]:
    """The words of a header, in lower case, without what follows their `=`."""
    values = b",".join(value for name, value in headers if name == wanted).lower()
    return {word for part in values.split(b",") if (word := part.partition(b"=")[0].strip())}


def _vary(headers: tuple[Header, ...]) -> tuple[bytes, ...]:
    """What the answer depends on, whether it says so or not: links in it are made of the client's `Host`, and one that
    is compressed is for those who can read it.
    """
    names = {b"host"} | _directives(headers, b"vary")
    if any(name == b"content-encoding" for name, _ in headers):
        names.add(b"accept-encoding")
    return tuple(sorted(names))


def _selected(request: tuple[Header, ...], names: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(b",".join(value.strip() for given, value in request if given == name) for name in names)


def _answer(headers: tuple[Header, ...], body: bytes) -> Answer:
    kept = tuple(header for header in headers if header[0] not in _OF_ONE_EXCHANGE)
    return Answer(200, (*kept, (b"content-length", str(len(body)).encode())), body)


def _age_of(headers: tuple[Header, ...]) -> int:
    return _whole(next((value for name, value in headers if name == b"age"), b"0"))


def _length_of(headers: tuple[Header, ...]) -> int:
    return _whole(next((value for name, value in headers if name == b"content-length"), b"0"))


def _whole(value: bytes) -> int:
    return int(value) if value.isdigit() and len(value) <= 15 else 0
