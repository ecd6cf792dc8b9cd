"""Commands that carry a workspace across an air gap."""
