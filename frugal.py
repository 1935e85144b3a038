"""The first import of every bundle's config: puts the packages of FrugalCXR before others of the same names.

Python looks into the working folder first, where an ``app.py``, ``transforms.py`` or ``evaluation.py`` of the user's
would hide ours. ``python -m frugal`` is ``frugal``.
"""

from __future__ import annotations

import sys
from pathlib import Path

_FOLDER = str(Path(__file__).resolve().parent)
if sys.path[:1] != [_FOLDER]:
    sys.path.insert(0, _FOLDER)

if __name__ == "__main__":
    from app.cli import main

    sys.exit(main())
