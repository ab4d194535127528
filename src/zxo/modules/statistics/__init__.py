"""What a day was like for the whole service: one row a figure and day."""
