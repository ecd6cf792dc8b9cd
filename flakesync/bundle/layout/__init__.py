"""OCI image layouts, as a folder or a tar archive."""
