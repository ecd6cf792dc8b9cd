"""Tests of flakesync.processes."""
