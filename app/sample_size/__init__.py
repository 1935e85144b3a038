"""``frugal power``: how many patients a planned study needs. Imports neither torch nor monai nor mlflow."""
