"""Loads the code location once, in this process, and prints the processor time of each part as JSON."""

import json
import resource
import sys
import time
from itertools import pairwise


def main() -> None:
    began = time.perf_counter()
    marks = [("start", time.process_time())]
    from syncflow_pipelines.definitions import defs

    marks.append(("import", time.process_time()))
    definitions = defs()
    marks.append(("definitions", time.process_time()))
    repository = definitions.get_repository_def()
    repository.load_all_definitions()
    marks.append(("repository", time.process_time()))

    from dagster._core.remote_representation.external_data import RepositorySnap
    from dagster._serdes import serialize_value

    snapshot = serialize_value(RepositorySnap.from_def(repository))
    marks.append(("snapshot", time.process_time()))
    used = resource.getrusage(resource.RUSAGE_SELF)
    report = {f"{name}_s": after - before for (_, before), (name, after) in pairwise(marks)}
    report["cpu_s"] = used.ru_utime + used.ru_stime
    report["wall_s"] = time.perf_counter() - began
    report["rss_mib"] = used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    report["snapshot_mib"] = len(snapshot) / 2**20
    report["assets"] = len(repository.asset_graph.get_all_asset_keys())
    report["checks"] = len(repository.asset_graph.asset_check_keys)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
