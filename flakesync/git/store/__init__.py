"""What a repository holds, mostly without starting git: objects, trees, refs, settings, attributes, histories."""
