"""Pages: self-contained HTML, tables and numbers as comparisons and reports show them."""
