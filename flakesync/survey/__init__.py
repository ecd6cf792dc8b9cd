"""What a workspace is at one moment: its locks, who depends on whom, what pins govern, and what the servers say."""
