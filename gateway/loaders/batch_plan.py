"""Which upstream call finds records by their keys most cheaply: one get a key, or a list page for many at once.

Nothing is known beforehand of how long the list is or where in it the keys stand; each page tells a little. A page
costs one call and pays one back for every key it resolves. So pages are fetched for as long as they about pay for
themselves, and the keys that are left are got one by one.
"""

from collections.abc import Sequence
from typing import Final

# Two gets cost at most one call more than the luckiest page, and run at the same time.
FEWEST_KEYS_FOR_A_PAGE: Final = 3
# What a page counts for, in gets. It is one call as well; but pages come one after the other, with a hundred records to
# read, and gets many at once. So where pages only just pay for themselves, gets go on: the calls stay the same.
PAGE_COST: Final = 1.25
# Calls that pages may have cost beyond what they resolved: so k keys never take more than k + 2 calls.
MAX_DEBT: Final = 2
# With three keys left or fewer a second barren page could cost more than the best way in all.
FEW_KEYS_LEFT: Final = 3
# Good pages do not vouch for bad ones that follow: a list that starts with all that is wanted, as new orders' numbers
# may, is left after at most four barren pages, not after as many as it resolved keys.
MAX_CREDIT: Final = 2


def should_fetch_page(asked: int, left: int, resolved: Sequence[int]) -> bool:
    """Whether the next call should be a list page, rather than one get for each key that is left.

    asked: distinct keys at the start; left: those still unresolved.
    resolved: keys that each page so far has resolved.
    """
    if asked < FEWEST_KEYS_FOR_A_PAGE or left <= 1:
        return False
    debt = 0.0
    for keys in resolved:
        debt = max(-MAX_CREDIT, debt + PAGE_COST - keys)
    return debt < (1 if left <= FEW_KEYS_LEFT else MAX_DEBT)
