"""How a flag stands, and who says so."""

from dataclasses import dataclass

from syncflow_pipelines.config import Flag


@dataclass(frozen=True, slots=True)
class Standing:
    """How a flag stands at a moment."""

    flag: Flag
    is_on: bool
    where: str
    """Who says so, for people: a variable, a line of a file, a provider, or nobody."""

    def reason(self, consequence: str) -> str:
        """Why something does not happen: `consequence` goes on from "so"."""
        return f"The flag {self.flag} is off ({self.where}), so {consequence}."
