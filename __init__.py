"""rescomp: from labelled sensor data to a kilobyte-sized integer model on a microcontroller, every bit predicted on the desk."""

from __future__ import annotations

__version__ = "0.1.0"
DISTRIBUTION = "rescomp-mcu"
"""What pip calls this package: `rescomp` on PyPI is somebody else's reservoir computing."""
