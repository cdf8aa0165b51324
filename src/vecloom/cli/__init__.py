"""The command line: one file per verb, each thin: parse, call the library, show.

A verb's module imports click alone; what does the work is imported when the verb runs, so that ``vecloom --help`` and
every error in a call answer at once.
"""

from vecloom.cli.group import main, vecloom

__all__ = ["main", "vecloom"]
