"""Studies of finished runs: runs compared on the same cases, and one run reported on a page.

Nothing here imports torch or monai; mlflow is imported only where a run in MLflow is named.
"""
