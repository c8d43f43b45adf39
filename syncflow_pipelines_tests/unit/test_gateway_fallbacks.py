"""What is answered while an endpoint is not asked, and what is never kept for that."""

import pytest

from syncflow_pipelines.config.gateway import FallbackConfig
from syncflow_pipelines.gateway.fallbacks import MAX_BODY_BYTES, Answer, AnswerCache, Fallback

PLAIN = ((b"accept", b"*/*"),)
JSON = (b"content-type", b"application/json")


class Watch:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def cache(watch: Watch) -> AnswerCache:
    return AnswerCache(60.0, now=watch)


def keep(
    cache: AnswerCache,
    target: bytes = b"/a",
    body: bytes = b"{}",
    *headers: tuple[bytes, bytes],
    request: tuple[tuple[bytes, bytes], ...] = PLAIN,
    status: int = 200,
) -> bool:
    recording = cache.record(target, request, status, (JSON, *headers))
    if recording is None:
        return False
    for start in range(0, len(body), 1000):
        recording.add(body[start : start + 1000])
    recording.finish()
    return cache.find(target, request) is not None


def body_of(answer: Answer | None) -> bytes | None:
    return answer.body if answer else None


def test_the_last_good_answer_is_given_with_its_age_and_marks(cache: AnswerCache, watch: Watch) -> None:
    keep(cache, b"/a?b=%2F", b"first")
    assert keep(cache, b"/a?b=%2F", b"second", (b"age", b"5"), (b"x-request-id", b"1"))
    watch.time += 7.9
    answer = cache.find(b"/a?b=%2F", PLAIN)
    assert answer == Answer(
        200,
        (
            JSON,
            (b"content-length", b"6"),
            (b"age", b"12"),
            (b"warning", b'110 - "Response is Stale"'),
            (b"x-syncflow-fallback", b"cached"),
        ),
        b"second",
    )
    assert cache.find(b"/a?b=/", PLAIN) is None


def test_an_answer_that_is_too_old_is_not_given(cache: AnswerCache, watch: Watch) -> None:
    keep(cache)
    watch.time += 61
    assert cache.find(b"/a", PLAIN) is None


@pytest.mark.parametrize(
    "control", [b"no-store", b"Private", b"max-age=9, no-cache", b"must-revalidate", b'private="x"']
)
def test_what_must_not_be_kept_is_not(cache: AnswerCache, control: bytes) -> None:
    assert not keep(cache, b"/a", b"{}", (b"cache-control", control))
    assert len(cache) == 0


@pytest.mark.parametrize("name", [b"authorization", b"cookie", b"x-api-key", b"x-auth-token", b"proxy-authorization"])
def test_answers_to_somebody_are_kept_only_where_they_are_public(cache: AnswerCache, name: bytes) -> None:
    request = (*PLAIN, (name, b"me"))
    assert not keep(cache, request=request)
    assert keep(cache, b"/a", b"{}", (b"cache-control", b"public, max-age=5"), request=request)


@pytest.mark.parametrize("header", [(b"set-cookie", b"a=b"), (b"vary", b"*"), (b"content-length", b"9999999")])
def test_answers_for_one_person_or_without_end_are_not_kept(cache: AnswerCache, header: tuple[bytes, bytes]) -> None:
    assert not keep(cache, b"/a", b"{}", header)


@pytest.mark.parametrize("status", [201, 204, 206, 301, 304, 404, 500])
def test_only_200_is_good(cache: AnswerCache, status: int) -> None:
    assert not keep(cache, status=status)


def test_an_answer_of_unknown_length_that_is_too_long_is_let_go(cache: AnswerCache) -> None:
    assert not keep(cache, b"/a", b"x" * (MAX_BODY_BYTES + 1))
    assert keep(cache, b"/a", b"x" * MAX_BODY_BYTES)


def test_a_torn_answer_leaves_the_one_before(cache: AnswerCache) -> None:
    keep(cache, b"/a", b"whole")
    torn = cache.record(b"/a", PLAIN, 200, (JSON,))
    assert torn is not None
    torn.add(b"to")
    assert body_of(cache.find(b"/a", PLAIN)) == b"whole"


def test_vary_tells_answers_apart(cache: AnswerCache) -> None:
    vary = (b"vary", b"Accept-Language, Accept")
    for language in (b"en", b"de"):
        assert keep(cache, b"/a", language, vary, request=(*PLAIN, (b"accept-language", language)))
    german = cache.find(b"/a", ((b"accept-language", b"de"), *PLAIN, (b"user-agent", b"x")))
    assert body_of(german) == b"de"
    assert cache.find(b"/a", PLAIN) is None
    assert len(cache) == 2


def test_a_compressed_answer_is_for_those_who_asked_for_it_so(cache: AnswerCache) -> None:
    packed = (*PLAIN, (b"accept-encoding", b"gzip"))
    assert keep(cache, b"/a", b"zipped", (b"content-encoding", b"gzip"), request=packed)
    assert cache.find(b"/a", PLAIN) is None


@pytest.mark.parametrize("header", [(b"content-length", b"2"), (b"transfer-encoding", b"chunked")])
def test_a_question_in_a_body_is_another_question(cache: AnswerCache, header: tuple[bytes, bytes]) -> None:
    assert keep(cache)
    assert cache.find(b"/a", (*PLAIN, header)) is None
    assert not keep(cache, b"/b", request=(*PLAIN, header))


def test_a_vary_that_changes_makes_older_answers_unfit(cache: AnswerCache) -> None:
    keep(cache, b"/a", b"old", request=(*PLAIN, (b"accept-language", b"en")))
    keep(cache, b"/a", b"new", (b"vary", b"accept-language"), request=(*PLAIN, (b"accept-language", b"de")))
    assert cache.find(b"/a", (*PLAIN, (b"accept-language", b"en"))) is None


def test_targets_variants_and_bytes_are_bounded_and_the_longest_unasked_go_first(watch: Watch) -> None:
    cache = AnswerCache(60, max_targets=3, now=watch)
    for number in range(3):
        keep(cache, b"/%d" % number)
    cache.find(b"/0", PLAIN)
    keep(cache, b"/3")
    assert [cache.find(b"/%d" % number, PLAIN) is not None for number in range(4)] == [True, False, True, True]
    for number in range(50):
        keep(cache, b"/3", b"{}", (b"vary", b"accept"), request=((b"accept", b"%d" % number),))
    assert len(cache) == 10


def test_bytes_are_counted_and_given_back(watch: Watch) -> None:
    cache = AnswerCache(60, max_bytes=100_000, now=watch)
    for number in range(40):
        keep(cache, b"/%d" % (number % 25), b"x" * 10_000)
        assert cache.size_bytes <= 100_000
    assert len(cache) == 9
    assert cache.size_bytes == 9 * (10_000 + 512 + 16 + 12 + 19) + sum(len(b"/%d" % number) for number in range(6, 15))


def test_long_questions_count_as_their_answers_do(watch: Watch) -> None:
    cache = AnswerCache(60, max_bytes=100_000, now=watch)
    for number in range(40):
        asked = ((b"accept", b"x" * 5_000),)
        keep(cache, b"/%d" % number + b"y" * 5_000, b"{}", (b"vary", b"accept"), request=asked)
    assert len(cache) == 9


def test_each_strategy_has_its_own_to_say() -> None:
    static = Fallback(FallbackConfig("static", status=203, body='{"ok": "ä"}'))
    assert static.answer("POST", b"/a", ()) == Answer(
        203,
        (JSON, (b"content-length", b"12"), (b"x-syncflow-fallback", b"static")),
        '{"ok": "ä"}'.encode(),
    )
    empty = Fallback(FallbackConfig("static", status=204, body="nobody reads it"))
    assert empty.answer("GET", b"/a", ()) == Answer(204, ((b"x-syncflow-fallback", b"static"),), b"")
    assert Fallback(FallbackConfig()).answer("GET", b"/a", ()) is None
    alternate = Fallback(FallbackConfig("alternate", alternate="other"))
    assert alternate.alternate == "other"
    assert alternate.answer("GET", b"/a", ()) is None
    assert Fallback(FallbackConfig("static", alternate="other")).alternate is None


def test_a_cached_answer_is_for_get_and_head_alone() -> None:
    fallback = Fallback(FallbackConfig("cached"))
    assert fallback.cache is not None
    assert keep(fallback.cache)
    assert [fallback.answer(method, b"/a", PLAIN) is not None for method in ("GET", "HEAD", "POST")] == [
        True,
        True,
        False,
    ]


def test_an_answer_is_given_to_those_alone_who_asked_by_the_same_host(cache: AnswerCache) -> None:
    poisoned = ((b"host", b"evil.example.com"),)
    assert keep(cache, request=poisoned)
    assert cache.find(b"/a", ((b"host", b"shop.example.com"),)) is None


@pytest.mark.parametrize("name", [b"X-Forwarded-For", b"x-forwarded-user", b"Forwarded", b"Via", b"X-Request-Id"])
def test_what_varies_with_a_header_of_the_gateway_s_own_is_not_kept(cache: AnswerCache, name: bytes) -> None:
    assert not keep(cache, b"/a", b"{}", (b"vary", b"accept, " + name))


@pytest.mark.parametrize(
    "name",
    [b"x-remote-user", b"x-user-id", b"x-tenant", b"x-client-cert", b"x-original-url", b"x-http-method-override"],
)
def test_what_was_asked_by_somebody_in_particular_or_in_another_way_is_not_kept(
    cache: AnswerCache, name: bytes
) -> None:
    assert not keep(cache, request=((name, b"7"),))
    assert keep(cache, request=((b"user-agent", b"curl"), (b"host", b"x")))
