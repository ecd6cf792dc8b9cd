"""The order of the repos: found with networkx, kept between runs."""
