"""Imports generated modules and lists what they serve, in a process of its own: one line of JSON in, one out.

Started by `verification`; what the modules print goes to standard error.
"""

import asyncio
import gc
import json
import os
import sys
from contextlib import suppress
from importlib import import_module, invalidate_caches
from typing import Any, Final, TextIO

Json = Any

WARM: Final = "warm"
"""The argument with which it imports at once what every module imports."""
_IMPORTED_BY_MODULES: Final = (
    "fastmcp",
    "syncflow_pipelines.codegen.runtime.mcp_server",
    "syncflow_pipelines.codegen.runtime.resolver",
)


def main() -> None:
    """Answers until its input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if WARM in sys.argv:
        _warm_up()
    for line in sys.stdin:
        _answer(json.loads(line), answers)


def _warm_up() -> None:
    for name in _IMPORTED_BY_MODULES:
        with suppress(ImportError):  # the resolver's packages are an extra: who needs them is told in its turn
            import_module(name)


def _answer(task: Json, answers: TextIO) -> None:
    try:
        found = _examine(task)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        found = {"error": f"{type(error).__name__}: {error}"[:2_000]}
    print(json.dumps(found), file=answers, flush=True)


def _examine(task: Json) -> Json:
    sys.path.insert(0, task["parent"])
    invalidate_caches()
    try:
        found: Json = {}
        if task["mcp"]:
            found |= _listed(import_module(f"{task['package']}.{task['mcp']}"))
        if task["resolver"]:
            import_module(f"{task['package']}.{task['resolver']}").create_app()
        return found
    finally:
        sys.path.remove(task["parent"])
        for name in [name for name in sys.modules if name.partition(".")[0] == task["package"]]:
            del sys.modules[name]
        gc.collect()


def _listed(module: Any) -> Json:
    from fastmcp import Client

    async def list_tools() -> Any:
        async with Client(module.mcp) as client:
            return await client.list_tools_mcp()

    answer = asyncio.run(list_tools())
    return {
        "tools": [tool.name for tool in answer.tools],
        "list_bytes": len(answer.model_dump_json(by_alias=True, exclude_none=True, include={"tools"}).encode()),
    }


if __name__ == "__main__":
    main()
