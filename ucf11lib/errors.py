"""The two ways in which a command ends without a result."""


class UserError(Exception):
    """Bad input: the message is one line that names the thing, the value and the remedy. Exit code 2."""


class RunFailed(Exception):  # noqa: N818 - it names what happened, and callers read it as such
    """The input was good, but the work did not succeed (a notebook raised, the disk is full). Exit code 1."""
