"""Which inputs of inputs should follow an input that a pin governs, and which overrides have nothing to override."""
