"""The one error a user is meant to read."""


class InputError(ValueError):
    """Something in the user's files or parameters is wrong, and the user can mend it.

    The message begins with the thing at fault (a file, a key, a row) and says what would be right. A stage that
    meets one prints it alone, without a traceback, and leaves nothing half-written.
    """
