"""The coach: conversations about not smoking, with a model or without."""
