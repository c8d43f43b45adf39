"""`python -m syncflow_pipelines.cli` is `syncflow`."""

from syncflow_pipelines.cli.application import main

main()
