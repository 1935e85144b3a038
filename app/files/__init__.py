"""Files: how folders are listed, tables and JSON read, pictures decoded within limits, and results written whole."""
