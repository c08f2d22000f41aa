"""What this process is doing in a long pass, for whatever shows progress. This file imports nothing."""


class Doing:
    """A few words that whoever makes a long pass keeps up to date; empty outside one."""

    text: str = ""


now = Doing()
