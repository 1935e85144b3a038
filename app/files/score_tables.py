"""The tables that scoring radiographs writes, by name and column; see ``docs/evaluation.md``."""

PREDICTIONS, EXCLUDED, PARQUET = "predictions.csv", "excluded.csv", "predictions.parquet"
TABLES = (PREDICTIONS, EXCLUDED, PARQUET)
"""All of them; the last one only of an archive."""
COLUMNS = ("image", "finding", "score", "logit", "threshold", "called")
"""Of ``predictions.csv``."""
EXCLUDED_COLUMNS = ("image", "error")
