"""Inputs that stay where they are, as what they should move to breaks the checks: holds that sync has made."""
