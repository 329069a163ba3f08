"""Figures beside their floors, each from one run on one machine: `python -m tests.bench NAME`."""
