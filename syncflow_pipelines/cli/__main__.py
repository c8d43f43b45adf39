"""`python -m syncflow_pipelines.cli` is `syncflow`."""

from syncflow_pipelines.cli import main

main()
