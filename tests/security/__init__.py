"""Proofs: who may do what, what a forged token gets, and where a secret must not turn up."""
