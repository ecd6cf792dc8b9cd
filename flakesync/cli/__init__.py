"""The command line: one file a command, and one place (`main`) that turns an error into an exit status."""
