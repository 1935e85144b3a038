"""Papers: the tables and figures that a bundle's paper prints, declared, run, and put beside ours."""
