"""A real control plane on loopback, from the Go module beside this file."""
