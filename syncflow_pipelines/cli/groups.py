"""Two kinds of command groups: one that imports its commands late, one that has a default."""

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

import click

LONGEST = 200
"""Characters of a sentence that a list of commands shows."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is called.

    `commands` maps a name to the sentence that `--help` lists; the command `<name>` is the
    attribute `command` of the module `<package>.<name>`. So `--help` imports none of them.
    """

    def __init__(self, *args: Any, package: str, summaries: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.package = package
        self.summaries = summaries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.summaries:
            return None
        command = importlib.import_module(f"{self.package}.{cmd_name}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.package}.{cmd_name}.command is not a click command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not ctx.resilient_parsing and args[0] not in self.summaries and not args[0].startswith("-"):
            ctx.fail(f"No such command '{args[0]}'.{_suggestion(args[0], self.summaries)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))


class DefaultGroup(click.Group):
    """A group whose first subcommand may be left out: `syncflow runs` is `syncflow runs list`."""

    def __init__(self, *args: Any, default: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else [self.default, *args])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_commands(self, ctx, formatter)


def write_commands(group: click.Group, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Lists the commands with their whole first sentences, where click itself would cut them off."""
    commands = [group.commands[name] for name in group.list_commands(ctx)]
    with formatter.section("Commands"):
        formatter.write_dl([(one.name or "", one.get_short_help_str(LONGEST)) for one in commands if not one.hidden])


def _suggestion(word: str, known: Mapping[str, str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean '{near[0]}'?" if near else ""
