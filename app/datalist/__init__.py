"""The datalist: its items, reading and writing it, checking it, showing what it holds, and sampling from it."""
