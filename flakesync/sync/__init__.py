"""Carries a plan out: one repo after the other as their upstreams are done."""
