"""The errors a user is meant to read."""

from collections.abc import Mapping


class InputError(ValueError):
    """Something in the user's files or parameters is wrong, and the user can mend it.

    The message begins with the thing at fault (a file, a key, a row) and says what would be right. A stage that
    meets one prints it alone, without a traceback, and leaves nothing half-written.
    """


class Refused(Exception):
    """Rows that cannot be used, and why: `{row: (file or id, reason)}`. The other rows can."""

    def __init__(self, reasons: Mapping[int, tuple[str, str]]) -> None:
        super().__init__(dict(reasons))  # what a worker sends back is pickled
        self.reasons = dict(reasons)
