"""Sweeps: one bundle trained many times as a study file says (``frugal study``), and the tables of the results."""
