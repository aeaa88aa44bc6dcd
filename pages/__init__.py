"""Pages on finished models that people look at: one file each, with all that it needs in it."""

from __future__ import annotations

from .written import Written, write_report

__all__ = ["Written", "write_report"]
