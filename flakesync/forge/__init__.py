"""Where update branches become pull requests and land: GitHub, GitLab, Forgejo, or a plain git server."""
