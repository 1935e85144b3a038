"""The commands of ``frugal``: one module each, found by its name.

A command module has a function ``add_parser(subparsers)``, which adds its parser and sets its default ``run`` to a
function of the parsed arguments. It imports nothing heavier than the standard library before that function runs.
"""
