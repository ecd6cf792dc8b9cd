"""The tasks of a plan carried out on other machines: git and a plan file are all that they share."""
