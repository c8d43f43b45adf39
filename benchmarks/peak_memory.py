"""How much memory this process ever held at once."""

import resource
import sys
from pathlib import Path


def peak_mib() -> float:
    """The peak of the resident set, in MiB.

    Linux counts into `ru_maxrss` what the parent held when it forked; /proc has the figure of this process alone.
    """
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
