"""Loads the code location once, in this process, and prints how long each part took as JSON."""

import json
import resource
import sys
import time
from itertools import pairwise


def main() -> None:
    marks = [("start", time.perf_counter())]
    from syncflow_pipelines.definitions import defs

    marks.append(("import", time.perf_counter()))
    definitions = defs()
    marks.append(("definitions", time.perf_counter()))
    repository = definitions.get_repository_def()
    repository.load_all_definitions()
    marks.append(("repository", time.perf_counter()))

    from dagster._core.remote_representation.external_data import RepositorySnap
    from dagster._serdes import serialize_value

    snapshot = serialize_value(RepositorySnap.from_def(repository))
    marks.append(("snapshot", time.perf_counter()))
    used = resource.getrusage(resource.RUSAGE_SELF)
    report = {f"{name}_s": after - before for (_, before), (name, after) in pairwise(marks)}
    report["wall_s"] = marks[-1][1] - marks[0][1]
    report["cpu_s"] = used.ru_utime + used.ru_stime
    report["rss_mib"] = used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    report["snapshot_mib"] = len(snapshot) / 2**20
    report["assets"] = len(repository.asset_graph.get_all_asset_keys())
    report["checks"] = len(repository.asset_graph.asset_check_keys)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
