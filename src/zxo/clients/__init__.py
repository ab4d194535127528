"""One outside service a file."""
