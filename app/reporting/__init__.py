"""Reporting: one finished run on one self-contained page.

Nothing here imports torch or monai. MLflow is imported only to look up runs.
"""
