"""The errors that a user can mend."""


class StudyError(Exception):
    """A user's mistake or a damaged file, in one line.

    The message names the file or key, what was found, what is allowed, and what to type. The command line prints it
    without a traceback and exits with 2.
    """


class MissingFileError(StudyError):
    """There is no such file."""


class TooAlikeError(StudyError):
    """A model cannot be fitted to these runs, though nothing was asked wrongly: they are too few or too much alike."""


class NotYamlError(StudyError):
    """A text that is no YAML."""


# What code raises that meets a value of another kind than its file promises.
MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError)


class RunFailureError(Exception):
    """A run came to nothing that could be recorded; it will be run again. The message says how it failed."""
