"""Nets without state: plans, how they are traced from torch modules and run, and the kinds that the recipe knows."""
