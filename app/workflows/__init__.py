"""The workflows of bundles as ``frugal`` runs them: which bundle, which weights, and the run in this process.

Only the run itself imports torch and MONAI.
"""
