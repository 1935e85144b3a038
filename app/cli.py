"""The command line, ``frugal ...``. It only parses; each command imports what it needs when it runs."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence

import app
from app import commands, lazy


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Words after ``frugal``; None takes those of the command line.

    Returns:
        Exit status: 0 if it is done, 1 if the input is wrong (with one message on stderr), 130 if it was interrupted.
        A wrong call exits with 2, by argparse.
    """
    arguments = parser().parse_args(argv)
    lazy.install()
    try:
        arguments.run(arguments)
    except KeyboardInterrupt as interrupt:
        print(f"frugal: {str(interrupt) or 'interrupted'}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The program that reads our output has ended, as `head` does: there is nobody to tell.
        sys.stderr.close()
        return 0
    except (ValueError, OSError) as error:
        if arguments.traceback:
            raise
        print(f"frugal: error: {_text(error)}", file=sys.stderr)
        return 1
    return 0


def _text(error: ValueError | OSError) -> str:
    """What an error says, without the number of the system's."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None and error.filename2 is None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; each is a module in ``app/commands`` with a function ``add_parser``."""
    top = argparse.ArgumentParser(
        prog="frugal", description="Train, evaluate and compare chest-radiograph networks on cheap annotations."
    )
    top.add_argument("--version", action="version", version=f"frugal-cxr {app.__version__}")
    top.add_argument("--traceback", action="store_true", help="show where in the code an error arose")
    subparsers = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in sorted(module.name for module in pkgutil.iter_modules(commands.__path__)):
        importlib.import_module(f"{commands.__name__}.{module}").add_parser(subparsers)
    return top
