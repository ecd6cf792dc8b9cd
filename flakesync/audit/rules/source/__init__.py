"""Rules on where a source is from: another repository, another owner, an address that anybody can change."""
