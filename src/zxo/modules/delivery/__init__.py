"""Telling people outside the app: WeChat messages that they agreed to, and their browsers."""
