"""A clock that stands still until a test moves it."""


class Clock:
    """Seconds from any start; a call tells them."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def moves(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
