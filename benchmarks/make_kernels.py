"""Write what firmware_templates/kernels has of export/kernel_table.py: declarations, and sources that only include a body."""

from __future__ import annotations

from pathlib import Path

from rescomp.export.kernel_sources import kernel_sources

KERNELS = Path(__file__).parent.parent / "firmware_templates" / "kernels"


def main() -> None:
    for name, text in kernel_sources().items():
        (KERNELS / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
