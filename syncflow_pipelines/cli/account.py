"""Whoever runs the command."""

import os
import pwd
from contextlib import suppress


def user_name() -> str:
    """The name of whoever runs this, or the number of a user without one."""
    with suppress(KeyError):
        return pwd.getpwuid(os.geteuid()).pw_name
    return str(os.geteuid())
