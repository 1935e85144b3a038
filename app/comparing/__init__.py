"""Comparing: two or more finished runs on the same cases, with intervals and tests.

Nothing here imports torch or monai. MLflow is imported only to look up runs, matplotlib only to draw.
"""
