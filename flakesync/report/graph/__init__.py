"""The graph: for people, for programs that draw it, as a document."""
