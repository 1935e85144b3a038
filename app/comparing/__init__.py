"""Comparing: two or more finished runs on the same cases, with intervals and tests.

Nothing here imports torch or monai; mlflow is imported only if a run in MLflow is named.
"""
