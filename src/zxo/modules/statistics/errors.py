"""What statistics refuse. Nobody asks for them over HTTP: the text is for who runs the command."""


class DaysRefused(Exception):
    """These days cannot be written; the text is one line that says why."""
