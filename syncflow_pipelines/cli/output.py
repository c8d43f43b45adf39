"""What a command prints on stdout: a table for people, or one JSON object a line for programs."""

import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

Cell = str | int | float | bool | datetime | UUID | Text | None

NOTHING_WRITTEN = "It was a dry run: nothing was written."

_WIDE = 10_000
"""Columns of a console that nobody looks at: a pipe or a file gets lines that are never wrapped."""


def print_json(record: Mapping[str, Any]) -> None:
    """One line of JSON, flushed at once, so that a reader sees each result as it comes.

    What cannot be printed is escaped, so that a line is a line and drives no terminal.
    """
    print_json_text(json.dumps(record, default=_plain, ensure_ascii=False))


def print_json_text(text: str) -> None:
    """The same for JSON that is written already; `text` has no line breaks outside its strings."""
    click.echo(text if _is_sayable(text) else "".join(map(_escaped, text)))
    sys.stdout.flush()


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    title: str | None = None,
    wrap: Sequence[str] = (),
) -> None:
    """A table; numbers stand to the right, and on a terminal only the columns of `wrap` are ever broken."""
    show(make_table(headings, rows, title=title, wrap=wrap if sys.stdout.isatty() else ()))


def make_table(
    headings: Sequence[str], rows: Iterable[Sequence[Cell]], *, title: str | None = None, wrap: Sequence[str] = ()
) -> Table:
    """The table itself. Text from outside is shown as it is: no markup, no control characters."""
    grid = [tuple(row) for row in rows]
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="bold")
    for place, heading in enumerate(headings):
        justify: Literal["left", "right"] = "right" if _is_numeric(row[place] for row in grid) else "left"
        table.add_column(heading, justify=justify, no_wrap=heading not in wrap, overflow="fold")
    for row in grid:
        table.add_row(*(as_text(cell) for cell in row))
    return table


def print_facts(facts: Mapping[str, Cell]) -> None:
    """Names and values, one a line."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(as_text(name), as_text(value))
    show(table)


def print_diff(diff: str) -> None:
    """A unified diff; on a terminal in colours."""
    styles = {"+": "green", "-": "red", "@": "cyan"}
    lines = visible(diff).splitlines()
    if not sys.stdout.isatty():
        click.echo("".join(f"{line}\n" for line in lines), nl=False)
        return
    console = Console(highlight=False)
    for line in lines:
        style = "bold" if line.startswith(("+++", "---")) else styles.get(line[:1], "")
        console.print(Text(line, style=style), soft_wrap=True)


def show(table: Table) -> None:
    """The table on stdout: as wide as the terminal, or, where there is none, plain and never wrapped."""
    if sys.stdout.isatty():
        Console(highlight=False).print(table)
        return
    console = Console(highlight=False, width=_WIDE, color_system=None, file=io.StringIO())
    with console.capture() as capture:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


def stderr_console() -> Console:
    """A console on stderr, for progress."""
    return Console(stderr=True, highlight=False)


def as_text(cell: Cell) -> Text:
    """A cell as people read it: grouped digits, UTC times to the second, a dash for nothing."""
    if isinstance(cell, Text):
        return cell
    if cell is None:
        return Text("-", style="dim")
    if isinstance(cell, bool):
        return Text("yes" if cell else "no")
    if isinstance(cell, int):
        return Text(f"{cell:,}")
    if isinstance(cell, float):
        return Text(f"{cell:,.2f}")
    if isinstance(cell, datetime):
        return Text(f"{cell.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z")
    return Text(visible(str(cell)))


def visible(text: str) -> str:
    """The text with its control characters spelled out: names from outside must not drive the terminal."""
    return "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)


def counted(number: int, one: str, many: str) -> str:
    """The number with its noun: `1 entity`, `2,000 entities`."""
    return f"{number:,} {one if number == 1 else many}"


def _is_numeric(cells: Iterable[Cell]) -> bool:
    known = [cell for cell in cells if cell is not None and cell != ""]
    return bool(known) and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in known)


def _is_sayable(text: str) -> bool:
    return text.isprintable() and _fits_stdout(text)


def _escaped(char: str) -> str:
    return char if _is_sayable(char) else json.dumps(char)[1:-1]


def _fits_stdout(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        # A time without a zone is one of the source's own, which nobody may take for UTC.
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value.tzinfo else value.isoformat()
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    return value.hex() if isinstance(value, bytes) else str(value)
