"""The bus within one process."""

import asyncio
import math
import threading
from collections.abc import Mapping
from typing import Any, NoReturn

import pytest

from syncflow_pipelines.errors import DeliveryFailed
from syncflow_pipelines.events.bus import EventBus
from syncflow_pipelines.events.handling import Retry
from syncflow_pipelines.events.model import Event
from syncflow_pipelines.events.publishing import _json

AT_ONCE = Retry(max_attempts=3, first_s=0.0)


def emit(bus: EventBus, *events: tuple[str, Mapping[str, Any]]) -> None:
    async def work() -> None:
        for kind, data in events:
            await bus.emit(kind, data)

    asyncio.run(work())


def test_the_example_of_the_requirement_holds() -> None:
    bus, heard = EventBus(), []

    async def on_spec_changed(event_data: dict[str, Any]) -> None:
        heard.append(event_data["service"])

    bus.subscribe("openapi_spec_changed", on_spec_changed)
    emit(bus, ("openapi_spec_changed", {"service": "orders", "spec_file": "orders-openapi.json"}), ("other", {}))
    assert heard == ["orders"]


def test_a_plain_function_is_called_in_a_thread_and_a_coroutine_in_the_loop() -> None:
    bus, threads = EventBus(), {}

    async def coroutine(_: object) -> None:
        threads["coroutine"] = threading.current_thread()

    def function(_: object) -> None:
        threads["function"] = threading.current_thread()

    bus.subscribe("*", coroutine)
    bus.subscribe("*", function)
    emit(bus, ("happened", {}))
    assert threads["coroutine"] is threading.main_thread()
    assert threads["function"] is not threading.main_thread()


def test_a_handler_of_whole_events_gets_the_attributes_of_cloudevents() -> None:
    bus, heard = EventBus(), list[Event]()
    bus.subscribe("*", heard.append, whole=True)
    emit(bus, ("code_generated", {"service": "orders"}), ("happened", {}))
    assert [(event.type, event.subject) for event in heard] == [("code_generated", "orders"), ("happened", "happened")]
    assert heard[0].structured() == {
        "specversion": "1.0",
        "id": heard[0].id,
        "source": "/syncflow",
        "type": "code_generated",
        "subject": "orders",
        "time": heard[0].time.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {"service": "orders"},
    }


def test_a_handler_that_fails_is_tried_again_then_given_up_and_stops_nobody() -> None:
    bus, attempts, heard = EventBus(AT_ONCE), list[dict[str, Any]](), list[dict[str, Any]]()

    def failing(data: dict[str, Any]) -> None:
        attempts.append(data)
        raise ValueError("no")

    bus.subscribe("happened", failing)
    bus.subscribe("happened", heard.append)
    emit(bus, ("happened", {"n": 1}), ("happened", {"n": 2}))
    assert [data["n"] for data in attempts] == [1, 1, 1, 2, 2, 2]
    assert [data["n"] for data in heard] == [1, 2]
    assert [(one.event.data, one.error) for one in bus.failures] == [
        ({"n": 1}, "ValueError; its traceback is in the log"),
        ({"n": 2}, "ValueError; its traceback is in the log"),
    ]


def test_events_of_one_subject_are_handled_one_after_the_other_and_those_of_others_meanwhile() -> None:
    bus, course = EventBus(), list[str]()
    beta_was_there = asyncio.Event()

    async def handler(event: Event) -> None:
        course.append(f"{event.data['n']} begins")
        if event.subject == "alpha" and event.data["n"] == 1:
            await beta_was_there.wait()
        if event.subject == "beta":
            beta_was_there.set()
        course.append(f"{event.data['n']} ends")

    async def work() -> None:
        bus.subscribe("*", handler, whole=True)
        await asyncio.gather(
            bus.emit("t", {"n": 1}, "alpha"), bus.emit("t", {"n": 2}, "alpha"), bus.emit("t", {"n": 3}, "beta")
        )

    asyncio.run(asyncio.wait_for(work(), 60))
    assert course.index("1 ends") < course.index("2 begins")
    assert course.index("3 ends") < course.index("1 ends")


def test_a_handler_gets_data_of_its_own_and_none_once_it_has_gone() -> None:
    bus, heard = EventBus(), list[dict[str, Any]]()
    bus.subscribe("t", lambda data: data.clear())
    end = bus.subscribe("t", heard.append)
    emit(bus, ("t", {"n": 1}))
    end()
    emit(bus, ("t", {"n": 2}))
    assert heard == [{"n": 1}]


def test_one_bus_serves_several_event_loops_at_once() -> None:
    bus, heard = EventBus(), []

    async def slowly(data: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        heard.append(data["n"])

    bus.subscribe("t", slowly)
    threads = [threading.Thread(target=emit, args=(bus, *[("t", {"n": n})] * 50)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(heard) == 200
    assert not bus.failures


@pytest.mark.parametrize(
    ("attempts", "error", "least", "most"),
    [
        (1, ValueError(), 0.75, 1.0),
        (3, ValueError(), 3.0, 4.0),
        (7, ValueError(), 22.5, 30.0),
        (1, DeliveryFailed("busy", retry_after_s=17.0), 17.0, 17.0),
        (1, DeliveryFailed("for ever", retry_after_s=math.inf), 86_400.0, 86_400.0),
        (1, DeliveryFailed("for so long", retry_after_s=math.nan), 0.75, 1.0),
    ],
)
def test_the_wait_doubles_up_to_its_bound_unless_the_handler_asks_for_more(
    attempts: int, error: Exception, least: float, most: float
) -> None:
    wait_s = Retry(max_attempts=8, first_s=1.0, longest_s=30.0).wait_s(attempts, error)
    assert wait_s is not None
    assert least <= wait_s <= most


@pytest.mark.parametrize(("attempts", "error"), [(8, ValueError()), (1, DeliveryFailed("gone", is_final=True))])
def test_there_is_an_end_to_attempts(attempts: int, error: Exception) -> None:
    assert Retry(max_attempts=8).wait_s(attempts, error) is None


def test_what_postgresql_cannot_hold_is_replaced() -> None:
    assert _json({"a": "\0x\\u0000\0\0", "b": "\ud800"}) == '{"a": "\ufffdx\\\\u0000\ufffd\ufffd", "b": "?"}'


def test_data_that_are_no_json_are_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        _json({"a": float("nan")})


def test_whatever_a_handler_raises_the_emitter_and_other_handlers_go_on() -> None:
    bus, heard = EventBus(AT_ONCE), list[dict[str, Any]]()

    def raising(error: BaseException) -> NoReturn:
        raise error

    async def cancelled(_: object) -> None:
        raise asyncio.CancelledError

    async def exiting(_: object) -> None:
        raise SystemExit(1)

    bus.subscribe("*", lambda _: raising(StopIteration()))
    bus.subscribe("*", lambda _: raising(SystemExit(1)))
    bus.subscribe("*", cancelled)
    bus.subscribe("*", exiting)
    bus.subscribe("*", heard.append)
    emit(bus, ("happened", {"n": 1}))
    assert heard == [{"n": 1}]
    assert sorted(failure.error.partition(";")[0] for failure in bus.failures) == [
        "CancelledError",
        "RuntimeError",
        "SystemExit",
        "SystemExit",
    ]


def test_an_emitter_that_is_cancelled_waits_for_no_handler_and_neither_does_the_end_of_its_loop() -> None:
    bus, hangs, released = EventBus(AT_ONCE), threading.Event(), threading.Event()

    def hanging(_: object) -> None:
        hangs.set()
        released.wait(60)

    async def work() -> None:
        emitting = asyncio.create_task(bus.emit("happened", {}))
        assert await asyncio.to_thread(hangs.wait, 60)
        emitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await emitting

    bus.subscribe("*", hanging)
    try:
        asyncio.run(work())
        assert not released.is_set()
        assert any(thread.name == "syncflow-beside" for thread in threading.enumerate())
    finally:
        released.set()
    assert not bus.failures


def test_a_handler_may_wait_for_an_event_that_it_is_told_of_itself() -> None:
    bus, heard = EventBus(AT_ONCE), list[int]()

    async def emitting(data: dict[str, Any]) -> None:
        heard.append(data["n"])
        if data["n"] < 3:
            await bus.emit("happened", {**data, "n": data["n"] + 1})

    async def work() -> None:
        await asyncio.wait_for(bus.emit("happened", {"service": "orders", "n": 1}), 60)

    bus.subscribe("happened", emitting)
    asyncio.run(work())
    assert heard == [1, 2, 3]
