"""A plan as the files of CI systems."""
