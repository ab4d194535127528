"""What every module builds on: no business word appears in this folder."""
