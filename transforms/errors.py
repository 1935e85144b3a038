"""What the reading of radiographs raises."""


class RadiographError(ValueError):
    """A file that is not one readable, grey, two-dimensional radiograph; the message names the file and the cause."""


class MissingFileError(RadiographError, FileNotFoundError):
    """A file that is not there: bad input, as every `RadiographError`, and what opening it would raise."""
