"""Sweeps: one bundle trained many times by plan (the command ``frugal study``), and the tables that come of it."""
