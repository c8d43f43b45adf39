"""File systems that tell nothing of the changes that others make."""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

TABLE: Final = Path("/proc/self/mountinfo")
"""Of Linux; elsewhere there is none, and every file system is taken to tell."""

SILENT: Final = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs",
     "nfs4", "ocfs2", "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs"}
)  # fmt: skip
"""Types of file systems that other machines change."""

_FUSE_OF_THIS_MACHINE: Final = frozenset({"fuse.fuse-overlayfs", "fuse.lxcfs", "fuse.mergerfs", "fuse.bindfs"})
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


def is_silent(kind: str) -> bool:
    """Whether a file system of that type may change without telling."""
    return kind in SILENT or (kind.startswith("fuse.") and kind not in _FUSE_OF_THIS_MACHINE)


def mounted(table: Path = TABLE) -> Mapping[str, str]:
    """By mount point, the type of the file system; nothing where the system does not say."""
    with suppress(OSError):
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        return dict(mount for line in lines if (mount := _mount(line)) is not None)
    return {}


def why_silent(path: str, mounts: Mapping[str, str]) -> str | None:
    """Why nobody tells of a change of the file at that path, which follows no link; None where somebody does."""
    if path in mounts and path != "/" and not os.path.isdir(path):
        return "it is mounted by itself"
    place = path
    while place not in mounts and place != "/":
        place = os.path.dirname(place)
    kind = mounts.get(place, "")
    return f"it is on {kind}" if is_silent(kind) else None


def _mount(line: str) -> tuple[str, str] | None:
    """Mount point and type: the fifth field, and the first after the lone hyphen (proc_pid_mountinfo(5))."""
    before, _, after = line.partition(" - ")
    fields, kinds = before.split(" "), after.split(" ")
    if len(fields) < 5 or not kinds[0]:
        return None
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), fields[4]), kinds[0]
