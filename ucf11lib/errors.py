"""The ways in which a command ends without a result."""


class UserError(Exception):
    """Bad input: the message is one line that names the thing, the value and the remedy. Exit code 2."""


class RunFailed(Exception):  # noqa: N818 - it names what happened, and callers read it as such
    """The input was good, but the work did not succeed (a notebook raised, the disk is full). Exit code 1."""


class Interrupted(KeyboardInterrupt):
    """A signal asked a training to stop, and it did at a place where it can go on. Exit code 128 + the signal's number.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int):
        self.number = number
        super().__init__(number)
