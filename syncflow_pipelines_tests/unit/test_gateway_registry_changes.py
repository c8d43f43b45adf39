"""What becomes of the gateway's registry, change by change, without a database."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from syncflow_pipelines.database.gateway_endpoints import EndpointRow, RegistryState
from syncflow_pipelines.errors import EndpointChanged, EndpointRefused, EndpointTaken, GatewayError, UnknownEndpoint
from syncflow_pipelines.gateway.model import Origin, Status
from syncflow_pipelines.gateway.registry.changes import (
    Declared,
    current_keys,
    declare,
    declare_service,
    effective,
    find,
    make_current,
    register,
    relocate_service,
    set_status,
    unregister,
    update,
)

NOW = datetime(2026, 11, 29, tzinfo=UTC)
EMPTY = RegistryState()


def said(name: str = "a", version: str = "v1", host: str = "x", **more: Any) -> dict[str, Any]:
    return {"name": name, "version": version, "url": f"https://{host}.example.com", **more}


def api(state: RegistryState, **values: Any) -> RegistryState:
    return register(state, said(**values), Origin.API, NOW)


def of_file(state: RegistryState, *endpoints: dict[str, Any], services: Any = None) -> RegistryState:
    return declare(state, Declared(endpoints, services, "digest"), NOW)


def current(state: RegistryState) -> set[str]:
    return current_keys(effective(state).values())


def test_the_version_registered_last_is_current() -> None:
    state = api(api(EMPTY, version="v2"), version="v1")
    assert current(state) == {"a@v1"}
    assert find(state, "a").version == "v1"
    assert find(make_current(state, "a@v2", NOW), "a").version == "v2"
    assert find(unregister(state, "a"), "a").version == "v2"


def test_a_status_or_a_configuration_that_changes_leaves_the_current_version_alone() -> None:
    state = api(api(EMPTY, version="v1"), version="v2")
    state = set_status(set_status(state, "a@v1", Status.INACTIVE, NOW), "a@v1", Status.ACTIVE, NOW)
    state = update(state, "a@v1", said(host="y"), NOW)
    assert current(set_status(state, "a@v2", Status.INACTIVE, NOW)) == {"a@v2"}


def test_a_registration_that_says_the_same_again_changes_nothing() -> None:
    state = api(EMPTY)
    assert api(state) is state
    with pytest.raises(EndpointTaken, match="a@v1 is registered already, with another configuration"):
        api(state, host="y")


def test_what_the_file_says_is_not_changed_over_the_api_but_for_its_status() -> None:
    state = of_file(EMPTY, said())
    refused: list[Callable[[], object]] = [
        lambda: api(state, host="y"),
        lambda: update(state, "a", said(host="y"), NOW),
        lambda: unregister(state, "a"),
    ]
    for change in refused:
        with pytest.raises(EndpointTaken, match="a@v1 is said by the gateway's file; change it there"):
            change()
    off = set_status(state, "a", Status.INACTIVE, NOW)
    assert find(of_file(off, said(host="y")), "a").status == "inactive"


def test_a_sync_adds_changes_and_removes_what_is_of_the_file_and_leaves_the_rest() -> None:
    state = of_file(api(EMPTY, name="mine"), said("a"), said("b"))
    state = of_file(state, said("b", host="y"), said("c"))
    assert {key: row.said["url"][8] for key, row in effective(state).items()} == {
        "mine@v1": "x",
        "b@v1": "y",
        "c@v1": "x",
    }
    assert of_file(state, said("b", host="y"), said("c")) == state


def test_what_the_file_says_goes_before_what_was_registered_which_comes_back_when_the_file_is_silent() -> None:
    registered = set_status(api(api(EMPTY, host="mine"), version="v2"), "a@v1", Status.INACTIVE, NOW)
    both = of_file(registered, said(host="file"))
    assert (find(both, "a@v1").said["url"], find(both, "a@v1").status) == ("https://file.example.com", "inactive")
    assert current(both) == {"a@v2"}
    assert effective(of_file(both)) == effective(registered)


def test_a_file_that_is_not_there_says_nothing_and_an_empty_one_that_there_are_no_endpoints() -> None:
    state = of_file(EMPTY, said())
    assert declare(state, Declared(), NOW) is state
    assert effective(of_file(state)) == {}


def test_a_service_is_hidden_by_a_registration_and_takes_no_name_from_anybody() -> None:
    state = declare_service(api(EMPTY, version="v2"), said(service="a"), NOW)
    assert current(state) == {"a@v2"}
    with pytest.raises(EndpointTaken, match="is the service of that name by itself"):
        update(state, "a@v1", said(host="y"), NOW)
    own = api(state, host="mine")
    assert (find(own, "a").key, find(own, "a").origin) == ("a@v1", "api")
    assert find(unregister(own, "a@v1"), "a@v1").origin == "service"


def test_services_come_and_go_with_their_file_only_where_that_is_asked_for() -> None:
    state = relocate_service(EMPTY, said("s", service="s"), NOW)
    assert set(effective(of_file(state))) == {"s@v1"}
    assert set(effective(of_file(state, services=(said("t"),)))) == {"t@v1"}
    assert set(effective(of_file(of_file(state, services=(said("t"),))))) == set()
    assert effective(unregister(state, "s")) == {}
    with pytest.raises(EndpointTaken):
        unregister(of_file(state, services=(said("s"),)), "s")


def test_a_service_that_moves_keeps_what_else_is_known_of_it() -> None:
    state = of_file(EMPTY, services=(said("s", health_check_path="/health"),))
    moved = relocate_service(state, said("s", host="y"), NOW)
    assert find(moved, "s").said == said("s", host="y", health_check_path="/health")


def test_whoever_was_slower_is_told() -> None:
    state = api(EMPTY)
    seen = find(state, "a").revision
    newer = update(state, "a", said(host="y"), NOW, seen)
    late: list[Callable[[], object]] = [
        lambda: update(newer, "a", said(host="z"), NOW, seen),
        lambda: set_status(newer, "a", Status.INACTIVE, NOW, seen),
        lambda: unregister(newer, "a", seen),
        lambda: unregister(api(unregister(newer, "a")), "a", seen),
    ]
    for change in late:
        with pytest.raises(EndpointChanged, match=r"is at revision \d+, not 1: somebody changed it"):
            change()


def test_what_makes_no_sense_is_refused_with_a_sentence() -> None:
    state = api(api(EMPTY, disabled=True), version="v2")
    with pytest.raises(UnknownEndpoint, match=r"no endpoint 'a@v3' is registered; of 'a' there is v1, v2"):
        find(state, "a@v3")
    with pytest.raises(UnknownEndpoint, match="no endpoint 'b' is registered"):
        set_status(state, "b", Status.ACTIVE, NOW)
    with pytest.raises(EndpointRefused, match="a@v1 is disabled by its configuration"):
        set_status(state, "a@v1", Status.ACTIVE, NOW)
    with pytest.raises(EndpointRefused, match="only its configuration disables it"):
        set_status(state, "a", Status.DISABLED, NOW)
    with pytest.raises(EndpointRefused, match="a@v2 keeps its name and its version"):
        update(state, "a", said("b"), NOW)


_NAMES, _VERSIONS, _HOSTS = st.sampled_from("ab"), st.sampled_from(["v1", "v2"]), st.sampled_from("xy")
_SAID = st.builds(said, _NAMES, _VERSIONS, _HOSTS)
_SEVERAL = st.lists(_SAID, max_size=3, unique_by=lambda one: (one["name"], one["version"]))
_REFERENCES = st.sampled_from(["a", "b", "a@v1", "a@v2", "b@v1"])


class AnyChanges(RuleBasedStateMachine):
    """Whatever is changed in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.state = EMPTY
        self.declared = Declared()
        self.registered: dict[str, dict[str, Any]] = {}

    @rule(one=_SAID)
    def register(self, one: dict[str, Any]) -> None:
        with suppress(GatewayError):
            self.step(register(self.state, one, Origin.API, NOW))
            self.registered[f"{one['name']}@{one['version']}"] = one

    @rule(reference=_REFERENCES, host=_HOSTS)
    def update(self, reference: str, host: str) -> None:
        with suppress(GatewayError):
            known = find(self.state, reference)
            self.step(update(self.state, reference, {**known.said, "url": f"https://{host}.example.com"}, NOW))
            self.registered[known.key] = {**known.said, "url": f"https://{host}.example.com"}

    @rule(reference=_REFERENCES)
    def unregister(self, reference: str) -> None:
        with suppress(GatewayError):
            known = find(self.state, reference)
            self.step(unregister(self.state, reference))
            if known.origin == Origin.API:
                del self.registered[known.key]

    @rule(reference=_REFERENCES, status=st.sampled_from([Status.ACTIVE, Status.INACTIVE]))
    def set_status(self, reference: str, status: Status) -> None:
        with suppress(GatewayError):
            self.step(set_status(self.state, reference, status, NOW))
            assert find(self.state, reference).status == status

    @rule(reference=_REFERENCES)
    def make_current(self, reference: str) -> None:
        with suppress(GatewayError):
            key = find(self.state, reference).key
            self.step(make_current(self.state, reference, NOW))
            assert key in current(self.state)

    @rule(endpoints=_SEVERAL, services=st.none() | _SEVERAL)
    def declare(self, endpoints: list[dict[str, Any]], services: list[dict[str, Any]] | None) -> None:
        before = effective(self.state)
        self.declared = Declared(tuple(endpoints), None if services is None else tuple(services), "d")
        self.step(declare(self.state, self.declared, NOW))
        assert declare(self.state, self.declared, NOW) == self.state
        for key in before.keys() & effective(self.state).keys():
            if before[key].origin == effective(self.state)[key].origin:
                assert before[key].status == effective(self.state)[key].status

    def step(self, state: RegistryState) -> None:
        assert (state.rows == self.state.rows) <= (state.revision - self.state.revision in (0, 1))
        assert (state.rows != self.state.rows) <= (state.revision > self.state.revision)
        self.state = state

    @invariant()
    def nothing_that_was_registered_is_lost_and_nothing_else_is_there(self) -> None:
        assert {row.key: row.said for row in self.rows(Origin.API)} == self.registered

    @invariant()
    def the_file_has_its_way(self) -> None:
        held = effective(self.state)
        for one in self.declared.endpoints:
            assert held[f"{one['name']}@{one['version']}"].said == one
        assert len(self.rows(Origin.FILE)) == len(self.declared.endpoints)

    @invariant()
    def every_name_has_one_current_version(self) -> None:
        assert sorted(key.partition("@")[0] for key in current(self.state)) == sorted(
            {row.name for row in effective(self.state).values()}
        )

    def rows(self, origin: Origin) -> list[EndpointRow]:
        return [row for row in self.state.rows.values() if row.origin == origin]


TestAnyChanges = AnyChanges.TestCase
TestAnyChanges.settings = hypothesis_settings(max_examples=60, stateful_step_count=25)


def test_a_state_is_left_alone_by_what_is_made_of_it() -> None:
    state = api(EMPTY)
    before = replace(state, rows=dict(state.rows))
    set_status(state, "a", Status.INACTIVE, NOW)
    of_file(state, said(host="y"))
    assert state == before
