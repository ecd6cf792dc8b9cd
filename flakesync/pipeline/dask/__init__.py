"""Tasks on the workers of a Dask cluster: the connection, the executor, and what a worker does.

What goes over the wire is JSON, as bytes, both ways. A worker has a cache, mirrors and tokens of its own; it fetches
what it needs from servers and pushes what it makes, as `flakesync task --push` does.
"""
