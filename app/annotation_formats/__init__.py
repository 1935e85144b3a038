"""Readers of annotation files: one format a file, from files to marks on images under the categories' own names."""
