"""Whether a bundle's config can work, found out before anything in it is evaluated.

Importing and using this imports neither torch nor monai: signatures are read from source files.
"""

from app.checking.check import Report, check, check_files, require_good
from app.checking.files import Loaded, load
from app.checking.problem import CheckError, Problem

__all__ = ["CheckError", "Loaded", "Problem", "Report", "check", "check_files", "load", "require_good"]
