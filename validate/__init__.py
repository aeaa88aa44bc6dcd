"""Witnesses: everybody who runs the exported model, and the comparison with numpy."""
