"""The kinds of orders in the sample data."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class OrderKind:
    """A kind of order.

    Attributes:
        status: The status of the order.
        numbers: One letter for each ordered number:
            A: Acquired.
            G: Acquired, and gone from the inventory since.
            P: Processing. The inventory has it with the status of an acquisition or porting in progress.
            F: Failed. The inventory has it with the status of the failure.
            N: Failed, and never in the inventory.
            R: Failed, and ordered again as the last number of the order that precedes this one in the list.
        days: Age in days. If it is None, the generator chooses the age.
        type: The order type. `chime` has only new orders.
    """

    status: str
    numbers: str
    days: float | None = None
    type: Literal["New", "Porting"] = "New"


# These orders come once, the newest first. Only recent orders are in progress. The ages leave two failed orders in the
# last day, and two successful ones in each calendar month before the current one.
RECENT_ORDERS = (
    OrderKind("Successful", "AAA", 0.2),
    OrderKind("Processing", "AAPP", 0.4),
    OrderKind("Failed", "FF", 0.6),
    OrderKind("PendingDocuments", "PP", 0.7, "Porting"),
    OrderKind("Successful", "AA", 0.8),
    OrderKind("Partial", "AAAR", 0.9),
    OrderKind("Failed", "FN", 0.95),
    OrderKind("Submitted", "PPP", 1.5, "Porting"),
    OrderKind("Processing", "PPP", 2.1),
    OrderKind("Successful", "AAAAA", 2.8),
    OrderKind("ChangeRequested", "PP", 3.3, "Porting"),
    OrderKind("Failed", "NN", 3.9),
    OrderKind("Partial", "AAAAF", 4.6),
    OrderKind("FOC", "PP", 5.5, "Porting"),
    OrderKind("Processing", "P", 6.2),
    OrderKind("Successful", "AAAAAAG", 7.5),
    OrderKind("Exception", "PP", 9, "Porting"),
    OrderKind("CancelRequested", "PP", 11, "Porting"),
    OrderKind("Successful", "AAAAAAAAAA", 13),
    OrderKind("Cancelled", "FF", 17, "Porting"),
    OrderKind("Successful", "AAAA", 20),
    OrderKind("Failed", "F", 24),
    OrderKind("Successful", "AAAAAA", 29),
    OrderKind("Successful", "AAAAA", 33, "Porting"),
    OrderKind("Successful", "AAAG", 38),
    OrderKind("Partial", "AAAFF", 44),
    OrderKind("Successful", "AAAAAAAA", 51),
)

# All other orders are of these kinds, in rotation.
COMPLETED_ORDERS = (
    OrderKind("Successful", "AAAAAA"),
    OrderKind("Successful", "A"),
    OrderKind("Partial", "AAAAF"),
    OrderKind("Successful", "AAAAAAAAAAAA"),
    OrderKind("Successful", "AAAA", type="Porting"),
    OrderKind("Failed", "FN"),
    OrderKind("Successful", "AAAG"),
    OrderKind("Cancelled", "FF", type="Porting"),
    OrderKind("Successful", "AAAAAAA"),
)
