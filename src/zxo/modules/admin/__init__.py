"""What operators do: their accounts, and what they may see and change."""
