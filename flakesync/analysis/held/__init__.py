"""What inputs that are held mean for a plan, and for what drift finds."""
