"""CT reconstruction."""
