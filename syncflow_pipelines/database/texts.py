"""Text that PostgreSQL can hold."""


def storable(text: str) -> str:
    """The text with NUL and halves of characters, which PostgreSQL refuses, replaced by `U+FFFD` and `?`."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
