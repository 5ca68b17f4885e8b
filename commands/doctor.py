"""Doctor."""


def doctor() -> None:
    """Say what is wrong, what it means and how to mend it."""
