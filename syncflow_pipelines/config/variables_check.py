"""What is wrong with variables that no file is about. Their values are secrets, and are not shown."""

from collections.abc import Callable, Iterator
from typing import Final

from syncflow_pipelines.config.api_tokens import load_api_tokens
from syncflow_pipelines.config.facts import ConfigurationFact
from syncflow_pipelines.config.sealed_secrets import VARIABLE as SECRET_KEY
from syncflow_pipelines.config.sealed_secrets import secret_keys
from syncflow_pipelines.config.serving import load_serving
from syncflow_pipelines.config.settings import Settings
from syncflow_pipelines.errors import ConfigurationError

SUBJECT: Final = "environment"


def wrong_variables(settings: Settings) -> Iterator[ConfigurationFact]:
    """A mistake for each variable of the gateway and the admin API that could not be used."""
    reading: tuple[Callable[[], object], ...] = (
        lambda: load_serving(settings),
        lambda: load_api_tokens(settings.environment),
        lambda: secret_keys(settings.environment) if settings.environment.get(SECRET_KEY) else None,
    )
    for read in reading:
        try:
            read()
        except ConfigurationError as error:
            for sentence in error.mistakes or (error.message,):
                yield ConfigurationFact(SUBJECT, "mistake", sentence)
