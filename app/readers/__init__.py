"""Several readers of the same cases in several modalities: the tables, the analysis, and its page.

Nothing here imports torch, monai or MLflow.
"""
