"""The command line: parse, call one stage, print. Logs and progress go to stderr, results to stdout."""

from .process import command_line, main

__all__ = ["command_line", "main"]
