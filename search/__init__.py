"""Searches for recipes: what candidates are drawn from, the study that asks for them, and the front of what they came to.

Optuna samples and stores; it is imported when a study is opened, not before.
"""
