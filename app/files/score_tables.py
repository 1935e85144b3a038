"""The tables that scoring radiographs writes, by name and column; see ``docs/evaluation.md``."""

PREDICTIONS, EXCLUDED, PARQUET = "predictions.csv", "excluded.csv", "predictions.parquet"
DOUBTFUL = "doubtful.csv"
TABLES = (PREDICTIONS, EXCLUDED, PARQUET, DOUBTFUL)
"""All of them; the third only of an archive, the last only of a folder of which some are in doubt."""
COLUMNS = ("image", "finding", "score", "logit", "threshold", "called")
"""Of ``predictions.csv``."""
EXCLUDED_COLUMNS = ("image", "error")
