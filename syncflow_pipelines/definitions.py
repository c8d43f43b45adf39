"""Dagster's code location. Loading it asks neither network nor database."""

from pathlib import Path

import dagster as dg
from dagster_shared.utils.warnings import disable_dagster_warnings


@dg.definitions
def defs() -> dg.Definitions:
    """Everything in `syncflow_pipelines/defs`, installed from a package or run from the repository."""
    import syncflow_pipelines.defs

    root = Path(__file__).parent.parent
    with disable_dagster_warnings():  # components still rest on parts of Dagster that it calls beta
        return dg.ComponentTree.from_module(syncflow_pipelines.defs, project_root=root).build_defs()
