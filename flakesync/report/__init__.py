"""Values and events → text for people, documents for programs, diagrams."""
