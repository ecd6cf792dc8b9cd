"""One line a run, appended to history.jsonl, and read back for the report page."""
