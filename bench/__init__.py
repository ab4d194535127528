"""The load scenarios: what the service does in a second, beside what it could do at best."""
