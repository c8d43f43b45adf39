"""`python -m benchmarks.specs_report FOLDER`: a table of all OpenAPI documents of a folder."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import orjson

from benchmarks.specs_report.report import MAX_LIST_BYTES, MAX_START_S, documents, lines, measured

_STRICT = f"end with 1 where one does not start within {MAX_START_S:g} s and {MAX_LIST_BYTES:,} bytes, or not load"


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 1 with `--strict` where a document that can be used does not come through; 2 for usage."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if not given.folder.is_dir():
        parser.error(f"{given.folder} is no folder; name one: make specs-report SPECS=folder")
    files = [file for file in documents(given.folder) if not given.names or file.name in given.names]
    figures = []
    for one in measured(files):
        figures.append(one)
        if given.json:
            print(orjson.dumps(asdict(one)).decode(), flush=True)
        else:
            print(f"{one.name} ...", file=sys.stderr)
    if not given.json:
        print("\n".join(lines(figures)))
    missed = [one for one in figures if one.normalise_s is not None and not one.is_good]
    return 1 if given.strict and missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.specs_report",
        description="Normalises, generates and starts every OpenAPI document of a folder, and prints what it took. "
        "Seconds are of this machine as it is now.",
    )
    parser.add_argument("folder", type=Path, help="the documents: *.json, *.yaml and *.yml")
    parser.add_argument("names", nargs="*", help="of these, the ones to look at; all unless it is said")
    parser.add_argument("--json", action="store_true", help="one JSON object a document")
    parser.add_argument("--strict", action="store_true", help=_STRICT)
    return parser


if __name__ == "__main__":
    sys.exit(main())
