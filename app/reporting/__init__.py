"""Reporting: one finished run on one self-contained page.

Nothing here imports torch or monai; mlflow is imported only if a run in MLflow is named.
"""
