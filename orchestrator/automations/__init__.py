"""What starts runs without a person: when, by what, and where the system keeps it."""
