"""Everything that knows Dagster: one component, its assets and checks, jobs, sensors and a schedule."""
