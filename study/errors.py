"""The errors that a user can mend."""


class StudyError(Exception):
    """A user's mistake or a damaged file, told in one line.

    The message names the file or key, what was found, what is allowed, and what to type. The command line prints it
    without a traceback and exits with 2.
    """
