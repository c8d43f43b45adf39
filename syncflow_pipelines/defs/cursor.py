"""What a sensor remembers from tick to tick, as the text that Dagster keeps of it."""

from typing import Self

import msgspec


class KeptAsText:
    """The root of a sensor's cursor, which is a frozen dataclass whose fields all have defaults."""

    __slots__ = ()

    @classmethod
    def read(cls, text: str | None) -> Self:
        """What was written; nothing where it cannot be read, so that everything is looked at or asked for once more."""
        try:
            return msgspec.json.decode(text, type=cls) if text else cls()
        except msgspec.DecodeError:
            return cls()

    def text(self) -> str:
        """To be read again."""
        return msgspec.json.encode(self).decode()
