"""The registry of the gateway: in PostgreSQL, the same in every process, and there while PostgreSQL is not."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from syncflow_pipelines.asgi.receivers import register as register_by_application
from syncflow_pipelines.config import GatewayConfig, Settings
from syncflow_pipelines.config.gateway import EndpointConfig, TargetRules, TimeoutConfig
from syncflow_pipelines.config.gateway_endpoint import RegistrationSection
from syncflow_pipelines.database import Database
from syncflow_pipelines.database.gateway_endpoints import changing_registry
from syncflow_pipelines.errors import (
    ConfigurationError,
    DatabaseError,
    EndpointRefused,
    EndpointTaken,
    UnknownEndpoint,
)
from syncflow_pipelines.gateway.model import Origin, Registered, Status
from syncflow_pipelines.gateway.registry import Registry
from syncflow_pipelines_tests.postgres.embedded_world import eventually, kill_server, settings_of
from syncflow_pipelines_tests.postgres.gateway_child import start_child
from syncflow_pipelines_tests.postgres.unreachable import away

CRM = EndpointConfig("crm", "https://crm.example.com")
ERP = EndpointConfig("erp", "https://erp.example.com")
FILE = GatewayConfig(endpoints=(CRM, ERP), digest="of the file")

Test = Callable[[], Coroutine[Any, Any, None]]


def said(name: str = "mine", url: str = "https://mine.example.com", **more: Any) -> RegistrationSection:
    return RegistrationSection.model_validate({"name": name, "url": url, **more})


def keys(registry: Registry) -> list[str]:
    return [endpoint.config.key for endpoint in registry.endpoints()]


async def until(fact: Callable[[], bool]) -> None:
    """Waits until it is so; fails after a minute."""
    await asyncio.to_thread(eventually, fact)


def run(test: Test) -> None:
    asyncio.run(test())


def test_two_registries_agree_on_every_change(settings: Settings) -> None:
    async def test() -> None:
        async with Registry(settings, FILE) as one, Registry(settings, FILE) as other:
            assert keys(one) == keys(other) == ["crm@v1", "erp@v1"]
            heard: list[tuple[Registered, ...]] = []
            other.subscribe(heard.append)
            made = await one.register(said())
            assert (made.config.key, made.origin, made.status, made.is_current) == (
                "mine@v1",
                Origin.API,
                "active",
                True,
            )
            await until(lambda: other.endpoints() == one.endpoints())
            await other.register(said(version="v2"))
            await other.set_status("crm", Status.INACTIVE)
            await other.update("mine@v1", said(url="https://new.example.com"), made.revision)
            await other.make_current("mine@v1")
            await other.unregister("mine@v2")
            await until(lambda: other.endpoints() == one.endpoints())
            assert one.find("mine").config.url == "https://new.example.com"
            assert one.find("crm").status is Status.INACTIVE
            assert heard[-1] == one.endpoints()

    run(test)


def test_a_notification_that_is_lost_is_made_good(settings: Settings, database: Database) -> None:
    async def test() -> None:
        async with Registry(settings, FILE) as registry:
            with database.connection() as connection:
                connection.execute("UPDATE gateway_endpoints SET status = 'inactive' WHERE name = 'crm'")
                connection.execute("UPDATE gateway_registry SET revision = revision + 1")
            await until(lambda: registry.find("crm").status is Status.INACTIVE)

    run(test)


def test_what_was_registered_is_there_when_the_process_comes_again(settings: Settings) -> None:
    async def test() -> None:
        async with Registry(settings, FILE) as registry:
            await registry.register(said())
            await registry.set_status("erp", Status.INACTIVE)
            before = registry.endpoints()
        async with Registry(settings, FILE) as registry:
            assert registry.endpoints() == before
            assert registry.stats().is_file_in_force

    run(test)


def test_of_many_that_register_the_same_at_once_one_wins(settings: Settings) -> None:
    async def test() -> None:
        async with Registry(settings, FILE) as one, Registry(settings, FILE) as other:
            attempts = [
                registry.register(said(url=f"https://{n}.example.com")) for registry in (one, other) for n in range(8)
            ]
            results = await asyncio.gather(*attempts, return_exceptions=True)
            made = {result.config.url for result in results if isinstance(result, Registered)}
            assert made == {one.find("mine").config.url}
            assert {type(result) for result in results} == {Registered, EndpointTaken}

    run(test)


def test_a_sync_says_what_it_did_and_what_was_registered_stays(settings: Settings) -> None:
    async def test() -> None:
        async with Registry(settings, FILE) as registry:
            await registry.register(said())
            await registry.register(said("new"))
            report = await registry.sync_with_file()
            assert (report.added, report.changed, report.removed, report.unchanged) == ((), (), (), 2)
            new = EndpointConfig("new", "https://file.example.com")
            other = replace(FILE, endpoints=(replace(CRM, preserve_host=True), new), digest="another")
            report = await registry.configure(other)
            assert (report.added, report.changed, report.removed) == (("new@v1",), ("crm@v1",), ("erp@v1",))
            assert (report.hidden, report.waits_because) == (("new@v1",), None)
            assert keys(registry) == ["crm@v1", "mine@v1", "new@v1"]
            assert registry.find("new").origin is Origin.FILE
            with pytest.raises(
                ConfigurationError, match="the gateway's file is not there any more, so what it said stays"
            ):
                await registry.configure(GatewayConfig())
            await registry.configure(FILE)
            assert registry.find("new").config.url == "https://mine.example.com"
        async with Registry(settings, GatewayConfig()) as without_a_file:
            assert keys(without_a_file) == ["crm@v1", "erp@v1", "mine@v1", "new@v1"]

    run(test)


def test_what_the_configuration_says_for_all_reaches_what_was_registered_before(settings: Settings) -> None:
    async def test() -> None:
        async with Registry(settings, FILE) as registry:
            await registry.register(said())
            patient = TimeoutConfig(read_s=300.0)
            await registry.configure(replace(FILE, timeouts=patient))
            assert registry.find("mine").config.timeouts == patient

    run(test)


def test_where_a_registration_may_lead_is_for_the_file_to_say(settings: Settings) -> None:
    async def test() -> None:
        async with Registry(settings, FILE) as registry:
            for host in ("127.0.0.1", "localhost", "[::ffff:10.0.0.1]", "169.254.169.254"):
                with pytest.raises(EndpointRefused, match=r"targets\.allow_networks"):
                    await registry.register(said(url=f"http://{host}:8010"))
            with pytest.raises(ConfigurationError, match="url: found"):
                await registry.register(RegistrationSection.model_construct(name="x", url="http://127.1"))
            loopback = TargetRules((ip_network("127.0.0.0/8"),))
            await registry.configure(replace(FILE, targets=loopback))
            assert (await registry.register(said(url="http://localhost:8010"))).config.url == "http://localhost:8010"

    run(test)


def test_services_are_endpoints_where_the_file_says_so(settings: Settings) -> None:
    settings.config_dir.mkdir()
    services = settings.config_dir / "auto_sync_services.yaml"
    one = "{{name: {0}, base_url: 'http://127.0.0.1:1/{0}', openapi_path: /o.json, components: [], enabled: {1}}}"
    services.write_text(f"services: [{one.format('parcels', 'true')}, {one.format('off', 'false')}]")

    async def test() -> None:
        config = replace(FILE, register_services=True)
        async with Registry(settings, config) as registry:
            parcels = registry.find("parcels")
            assert (parcels.origin, parcels.config.service) == (Origin.SERVICE, "parcels")
            assert (parcels.config.url, parcels.config.health_check_path) == ("http://127.0.0.1:1/parcels", "/health")
            assert keys(registry) == ["crm@v1", "erp@v1", "parcels@v1"]
            services.write_text("services: 5")
            with pytest.raises(ConfigurationError, match="cannot be used: 1 mistake"):
                await registry.configure(replace(config, endpoints=()))
            assert keys(registry) == ["crm@v1", "erp@v1", "parcels@v1"]
            await registry.configure(FILE)
            assert keys(registry) == ["crm@v1", "erp@v1"]

    run(test)


def test_an_application_that_syncs_its_services_registers_them(settings: Settings) -> None:
    async def test() -> None:
        async with Registry(settings, FILE) as registry:
            await register_by_application(
                registry, "parcels", "http://127.0.0.1:9/parcels", Path("parcels-openapi.json")
            )
            await register_by_application(
                registry, "parcels", "http://127.0.0.1:10/parcels", Path("parcels-openapi.json")
            )
            assert registry.find("parcels").config.url == "http://127.0.0.1:10/parcels"
            assert registry.find("parcels").origin is Origin.SERVICE
            assert (await registry.sync_with_file()).removed == ()
            with pytest.raises(ConfigurationError, match="endpoint: url: found"):
                await registry.register_service("crm", "ftp://x", Path("x"))

    run(test)


def test_while_postgresql_is_away_what_is_known_holds_and_changes_are_refused(
    settings: Settings, database: Database, server_url: str
) -> None:
    async def test() -> None:
        async with Registry(settings, FILE) as registry:
            await registry.register(said())
            with away(database, server_url):
                await until(lambda: not registry.stats().is_connected)
                assert keys(registry) == ["crm@v1", "erp@v1", "mine@v1"]
                for change in (
                    registry.register(said("other")),
                    registry.sync_with_file(),
                    registry.unregister("mine"),
                ):
                    with pytest.raises(DatabaseError):
                        await change
                report = await registry.configure(replace(FILE, endpoints=(CRM,), digest="shorter"))
                assert report.removed == ("erp@v1",)
                assert report.waits_because
                assert keys(registry) == ["crm@v1", "mine@v1"]
            await until(lambda: registry.stats().is_file_in_force)
            assert keys(registry) == ["crm@v1", "mine@v1"]
            await registry.register(said("other"))

    run(test)


def test_where_postgresql_is_away_at_the_start_the_file_holds_and_the_rest_comes_later(
    settings: Settings, database: Database, server_url: str
) -> None:
    async def test() -> None:
        async with Registry(settings, FILE) as registry:
            await registry.register(said())
            await registry.set_status("crm", Status.INACTIVE)
        late = Registry(settings, FILE)
        with away(database, server_url):
            await late.open(patience_s=0.01)
            assert keys(late) == ["crm@v1", "erp@v1"]
            assert not late.stats().is_connected
        await until(lambda: keys(late) == ["crm@v1", "erp@v1", "mine@v1"])
        assert late.find("crm").status is Status.INACTIVE
        await late.close()

    run(test)


def test_what_the_file_said_before_postgresql_was_there_is_not_told_as_added(
    settings: Settings, database: Database, server_url: str
) -> None:
    async def test() -> None:
        late = Registry(settings, FILE)
        with away(database, server_url):
            await late.open(patience_s=0.01)
        report = await late.configure(replace(FILE, endpoints=(CRM,), digest="shorter"))
        assert (report.added, report.removed, report.unchanged) == ((), ("erp@v1",), 1)
        await late.close()

    run(test)


def test_a_registry_that_cannot_be_changed_is_read_all_the_same(settings: Settings, database: Database) -> None:
    async def test() -> None:
        async with Registry(settings, FILE) as registry:
            await registry.register(said())
        with database.dedicated("test") as connection:
            connection.execute("CREATE FUNCTION no() RETURNS trigger AS 'BEGIN RAISE ''no''; END' LANGUAGE plpgsql")
            connection.execute("CREATE TRIGGER no BEFORE UPDATE ON gateway_registry EXECUTE FUNCTION no()")
            late = Registry(settings, replace(FILE, endpoints=(CRM,), digest="shorter"))
            await late.open(patience_s=0.01)
            await until(lambda: keys(late) == ["crm@v1", "mine@v1"])
            await until(lambda: late.stats().error == "The registry of the gateway cannot be changed: no")
            connection.execute("DROP TRIGGER no ON gateway_registry")
            await until(lambda: late.stats().is_file_in_force and late.stats().is_connected)
            await late.close()

    run(test)


def test_whoever_waits_for_another_change_for_too_long_is_told(database: Database) -> None:
    told = r"Another process has been changing the registry of the gateway for 0\.02 s; try again"
    with changing_registry(database), pytest.raises(DatabaseError, match=told), changing_registry(database, 0.02):
        pass


def test_an_endpoint_that_a_newer_syncflow_wrote_is_left_out_alone(settings: Settings, database: Database) -> None:
    async def test() -> None:
        async with Registry(settings, FILE) as registry:
            await registry.register(said())
            with database.connection() as connection:
                connection.execute(
                    "UPDATE gateway_endpoints SET said = said || '{\"x\": 1}', digest = 'x' WHERE name = 'mine'"
                )
                connection.execute("UPDATE gateway_registry SET revision = revision + 1")
            await until(lambda: keys(registry) == ["crm@v1", "erp@v1"])
            with pytest.raises(UnknownEndpoint, match="no endpoint 'mine' is registered"):
                registry.find("mine")

    run(test)


def test_a_subscriber_that_fails_keeps_nobody_from_hearing(settings: Settings) -> None:
    async def test() -> None:
        async with Registry(settings, FILE) as registry:
            heard: list[int] = []
            registry.subscribe(lambda endpoints: 1 // 0)
            end = registry.subscribe(lambda endpoints: heard.append(len(endpoints)))
            await registry.register(said())
            end()
            await registry.unregister("mine")
            assert heard == [3]

    run(test)


@pytest.mark.slow
def test_a_registry_in_another_process_hears_of_it_and_one_that_is_killed_leaves_all_that_it_told_of(
    settings: Settings, database: Database
) -> None:
    with start_child("follow", settings) as follower, start_child("register", settings) as writer:
        assert follower.stdout is not None
        assert writer.stdout is not None
        told = [writer.stdout.readline().strip() for _ in range(20)]
        writer.kill()
        told += writer.stdout.read().split()

        def heard(out: Any = follower.stdout) -> set[str]:
            return {key.partition("@")[0] for key in out.readline().split()}

        eventually(lambda: heard() >= set(told))
        follower.kill()
    with changing_registry(database) as (_, state):
        names = {row.name for row in state.rows.values()}
        assert set(told) <= names <= {f"e{n}" for n in range(len(told) + 1)}
        assert state.revision == max(row.revision for row in state.rows.values())


@pytest.mark.slow
def test_postgresql_killed_while_it_is_followed_is_found_again(embedded_home: Path) -> None:
    settings = settings_of(embedded_home)

    async def test() -> None:
        async with Registry(settings, FILE) as registry:
            await registry.register(said())
            kill_server(embedded_home)
            await until(lambda: not registry.stats().is_connected)
            await until(lambda: registry.stats().is_connected)
            await registry.register(said("after"))
            assert keys(registry) == ["after@v1", "crm@v1", "erp@v1", "mine@v1"]

    run(test)
