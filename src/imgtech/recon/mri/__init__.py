"""MRI reconstruction."""
