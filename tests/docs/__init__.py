"""The pages in docs/ as they are made from the code, and the tests that hold them and README.md to it."""
