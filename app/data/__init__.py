"""Data sets as datalists: one file a data set, and what reads, checks, splits and shows a datalist."""
