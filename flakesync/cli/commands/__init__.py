"""The commands of flakesync, one file each; app.py loads them by name."""
