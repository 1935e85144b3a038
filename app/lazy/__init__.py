"""Start without what nobody has asked for: parts of MONAI, Ignite and PyTorch that load at their first use.

``import monai`` imports each of MONAI's modules and whatever these may use, such as matplotlib, pandas, nibabel, SciPy
and torchvision; PyTorch imports its compiler when an optimizer is made. That is most of the time before a training
begins, which needs little of it. All of it is there as soon as something uses it.
"""

from __future__ import annotations

import sys

from app.lazy.compiler import CompilerFinder
from app.lazy.monai_modules import ModuleFinder


def install() -> None:
    """Let MONAI, Ignite and PyTorch be imported in this process without what is not used.

    Does nothing for what has been imported before.
    """
    for package, finder in (("monai", ModuleFinder), ("torch._dynamo", CompilerFinder)):
        if package not in sys.modules and not any(isinstance(each, finder) for each in sys.meta_path):
            sys.meta_path.insert(0, finder())
