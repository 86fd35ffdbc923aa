"""The mistakes that a user can mend; the one module that every room may import."""


class RnndError(Exception):
    """Something the user can mend: one line that names the thing, its value and what was expected.

    The command line prints the message without a traceback and ends with *exit_status*.
    """

    exit_status = 1


class UsageError(RnndError):
    """The command line asks for something that cannot be: an option's value, a missing file."""

    exit_status = 2


class ConfigError(UsageError):
    """The configuration is wrong; the message may hold several lines, one for each mistake."""


class CheckpointError(RnndError):
    """A model or state file that is torn, foreign or of a newer format."""
