"""`syncflow mcp`: the hub for MCP clients."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from syncflow_pipelines.cli.account import user_name
from syncflow_pipelines.cli.interrupts import call_on_signal
from syncflow_pipelines.cli.invocation import Invocation, pass_invocation
from syncflow_pipelines.config import Settings, load_services
from syncflow_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from fastmcp import FastMCP
    from fastmcp.server.auth import AuthProvider

    from syncflow_pipelines.mcp_hub.listing import ListedTool
    from syncflow_pipelines.mcp_hub.serving import Address
    from syncflow_pipelines.sync.model import SyncOutcome


@click.command("mcp")
@click.option("--stdio", is_flag=True, help="Serve the client that started this, over stdin and stdout.  [the default]")
@click.option("--http", metavar="[HOST:]PORT", help="Serve over streamable HTTP; HOST is 127.0.0.1 by default.")
@click.option("--token-env", metavar="NAME", help="With --http: let in only who shows the token in this variable.")
@click.option("--allow-writes", is_flag=True, help="Also offer the tools that sync entities and retry rejected rows.")
@click.option("--service", "services", multiple=True, metavar="NAME",
              help="Of the generated servers, only this one; may be repeated.")  # fmt: skip
@click.option("--no-services", is_flag=True, help="Serve none of the generated servers.")
@click.option("--list", "as_list", is_flag=True, help="List the tools with what each costs a client, and end.")
@click.option("--json", "as_json", is_flag=True, help="With --list: one JSON object a tool.")
@pass_invocation
def command(
    invocation: Invocation, stdio: bool, http: str | None, token_env: str | None, allow_writes: bool,
    services: tuple[str, ...], no_services: bool, as_list: bool, as_json: bool,
) -> int:  # fmt: skip
    """Serve the tables, and every generated MCP server, to MCP clients.

    \b
      syncflow mcp                              for a client that starts it itself
      syncflow mcp --http 8021                  on http://127.0.0.1:8021/mcp
      syncflow mcp --http 0.0.0.0:8021 --token-env MCP_TOKEN
      syncflow mcp --list                       which tools are there?

    Without --allow-writes no tool changes a table of an entity. The embedded PostgreSQL is started when the
    first tool needs it, and given back at the end. Servers that are generated anew are served without a restart.
    While the feature flag mcp is off, no tool is served; `syncflow config flags` shows it.
    """
    _refuse_contradictions(stdio, http, token_env, bool(services) and no_services, as_json and not as_list)
    address = _address(http, token_env) if http else None
    hub = _hub(invocation, services, no_services, allow_writes, _auth(invocation.settings, token_env))
    _tell_of_flag(invocation.settings)
    if as_list:
        return _list(hub, as_json)
    from syncflow_pipelines.mcp_hub.serving import serve_http, serve_stdio

    if address is None:
        if sys.stdin.isatty():
            invocation.note(
                "An MCP client is expected on stdin; --list shows the tools, --http serves; Ctrl-C ends it."
            )
        serve_stdio(hub, call_on_signal)
    else:
        serve_http(hub, address, lambda url: invocation.note(f"Serving MCP on {url}; Ctrl-C ends it."))
    return 0


def _tell_of_flag(settings: Settings) -> None:
    from syncflow_pipelines.events.flags import Flag, standing
    from syncflow_pipelines.mcp_hub.switch import refusal

    found = standing(Flag.MCP, settings)
    if not found.is_on:
        click.echo(f"Warning: {refusal(found)}", err=True)


def _refuse_contradictions(
    stdio: bool, http: str | None, token_env: str | None, is_both: bool, is_json_alone: bool
) -> None:
    if stdio and http:
        raise click.UsageError("--stdio and --http exclude each other.")
    if token_env and not http:
        raise click.UsageError("--token-env is for --http; over stdin and stdout there is nobody else.")
    if is_both:
        raise click.UsageError("--service and --no-services exclude each other.")
    if is_json_alone:
        raise click.UsageError("--json is for --list.")


def _address(http: str, token_env: str | None) -> "Address":
    from syncflow_pipelines.mcp_hub.serving import Address

    address = Address.parse(http)
    if not (address.is_local or token_env):
        raise ConfigurationError(
            f"on {address.host} everybody who reaches this machine could read the tables; put a token into a variable "
            f"and name it, --token-env MCP_TOKEN, or listen on 127.0.0.1"
        )
    return address


def _auth(settings: Settings, token_env: str | None) -> "AuthProvider | None":
    if token_env is None:
        return None
    from syncflow_pipelines.mcp_hub.access import OneToken

    token = (settings.environment.get(token_env) or "").strip()
    if not token:
        raise ConfigurationError(f"{token_env} is not set; --token-env needs the token that clients have to show")
    return OneToken(token)


def _hub(
    invocation: Invocation, services: tuple[str, ...], no_services: bool, allow_writes: bool,
    auth: "AuthProvider | None",
) -> "FastMCP":  # fmt: skip
    from syncflow_pipelines.mcp_hub.hub import HubOptions, build_hub

    settings = invocation.settings

    def report(outcomes: "Sequence[SyncOutcome]") -> None:
        from syncflow_pipelines.defs.record import report_outcomes  # Dagster takes a second to import

        report_outcomes(outcomes, settings.home)

    options = HubOptions(
        generated_dir=None if no_services else load_services(settings).settings.generated_dir,
        services=[name.replace("-", "_") for name in services] or None,
        allow_writes=allow_writes,
        auth=auth,
        who=user_name(),
        report=report,
    )
    return build_hub(settings, options)


def _list(hub: "FastMCP", as_json: bool) -> int:
    from syncflow_pipelines.cli.output import print_json
    from syncflow_pipelines.mcp_hub.listing import listed_tools

    listing = listed_tools(hub)
    tools = listing.tools
    if as_json:
        for tool in tools:
            print_json({
                "tool": tool.name, "bytes": tool.bytes, "tokens": tool.tokens, "read_only": tool.read_only,
                "description": tool.description,
            })  # fmt: skip
    else:
        _print(tools)
    for trouble in listing.troubles:
        click.echo(f"Error: {trouble}", err=True)
    return 1 if listing.troubles else 0


def _print(tools: "Sequence[ListedTool]") -> None:
    from syncflow_pipelines.cli.output import Cell, print_table

    rows: list[Sequence[Cell]] = [
        (tool.name, tool.bytes, tool.tokens, tool.read_only, tool.description) for tool in tools
    ]
    sizes = (sum(tool.bytes for tool in tools), sum(tool.tokens for tool in tools))
    rows.append((f"{len(tools)} tools", *sizes, None, ""))
    print_table(("tool", "bytes", "tokens", "read-only", "description"), rows, wrap=("description",))
