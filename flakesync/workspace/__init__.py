"""What the workspace holds: the manifest, every lock, where commits stand in a history."""
