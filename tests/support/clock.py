"""A clock that moves only when a test moves it."""


class Clock:
    """A clock that returns seconds since an arbitrary start when it is called."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def moves(self, seconds: float) -> None:
        """Move the clock forward."""
        self.now += seconds
