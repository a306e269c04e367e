"""What a user can mend. Each message gives the name, the value, the bound and the remedy."""


class MendableError(Exception):
    """Base of the errors that a user can mend; the commands print the message alone and leave with `exit_code`."""

    exit_code = 3


class BadParams(MendableError):
    """A parameter or an argument is wrong: exit code 2."""

    exit_code = 2


class BadInput(MendableError):
    """The data are wrong, or cannot be read or written: exit code 3."""

    exit_code = 3
