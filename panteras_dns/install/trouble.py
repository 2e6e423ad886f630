"""What a person has to be told, in one line: what, where, and what was expected. Never a traceback."""


class Trouble(Exception):
    """Something is wrong here, and the text says what to do. *status* is the command's exit status."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status
