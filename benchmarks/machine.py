"""What the figures were measured on; a figure without it says little."""

import os
import platform
import sys
from importlib.metadata import version
from typing import Any

import psutil

PACKAGES = ("syncflow-pipelines", "dagster", "msgspec", "pydantic", "psycopg", "sqlalchemy")


def describe_machine() -> dict[str, Any]:
    """Processor, memory, load, and versions."""
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count(logical=False) or os.cpu_count(),
        "threads": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "load_1_min": round(os.getloadavg()[0], 2),
        "python": sys.version.split()[0],
        **{name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
