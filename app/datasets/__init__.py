"""Data sets: one file each, from published tables, or a user's own folder, to the items of a datalist."""
