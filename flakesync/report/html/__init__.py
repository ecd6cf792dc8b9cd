"""The report page: documents into one HTML file that needs nothing else."""
