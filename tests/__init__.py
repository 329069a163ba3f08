"""The tests, by concept."""
