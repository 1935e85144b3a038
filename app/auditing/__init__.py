"""The label audit (``frugal audit``): which labels are probably wrong, how many, and what re-reading them shows."""
