"""Phantom protocols, one phantom a file."""
