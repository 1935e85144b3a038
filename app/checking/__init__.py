"""Whether a bundle's config can work, found out before anything in it is evaluated.

Neither torch nor MONAI is imported: signatures are read from source files.
"""

from app.checking.check import CheckResult, check, check_files, require_good
from app.checking.files import load
from app.checking.merged import MergedConfig
from app.checking.problems import CheckError, Problem

__all__ = ["CheckError", "CheckResult", "MergedConfig", "Problem", "check", "check_files", "load", "require_good"]
