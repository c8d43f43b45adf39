"""`syncflow schemas diff`: the last change, for people and for pipelines."""

from syncflow_pipelines_tests.unit.test_cli_schemas import WITH_PRICE, Syncflow, syncflow

__all__ = ["syncflow"]


def test_the_last_change_is_told_and_fails_a_pipeline_that_asks_for_it(syncflow: Syncflow) -> None:
    assert syncflow("diff") == "models: there is no previous version\n"
    syncflow("sync")
    assert syncflow("diff", "--fail-on", "breaking") == "models: there is no previous version\n"
    [told] = syncflow.objects("diff")
    assert (told["source"], told["since"], told["is_empty"]) == ("models", None, True)
    syncflow.package.write("product", WITH_PRICE)
    syncflow("sync")

    lines = syncflow("diff", "--fail-on", "breaking", code=1).splitlines()
    assert lines[0].startswith("models, since 20")
    assert "  breaking: ProductCreate#/price is new and required (writers-required-property-added)" in lines
    [told] = syncflow.objects("diff")
    assert told["is_breaking"]
    assert {one["rule"] for one in told["readers"]} == {"readers-required-property-added"}
    assert syncflow("diff").splitlines() == lines
