"""What is to be done about one repo, as a value that another process can carry out, and who carries it out.

A task is what the plan says of one repo, with the commits of its upstreams as soon as they are known. Git is all the
memory that tasks share: the same task makes the same commit wherever it is carried out, so twice is harmless.
"""
