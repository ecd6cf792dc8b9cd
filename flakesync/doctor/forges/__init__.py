"""The forges of the workspace: one module for each kind says what its token and its repositories may do."""
