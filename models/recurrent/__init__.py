"""Recurrent nets: cells, and the loop over time."""
