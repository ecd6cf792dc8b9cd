"""What has become of update branches: publish, status, land, abandon."""
