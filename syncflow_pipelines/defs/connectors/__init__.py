"""The component that covers the connectors; see `defs.yaml`."""
