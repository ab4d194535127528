"""One business noun a folder, each with the same file names; imports go only downwards."""
