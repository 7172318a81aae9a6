"""The choice between upstream calls that find records by key: one get for each key, or a list page for many at once.

The length of the list, and the places of the keys in it, are unknown at the start. Each page tells a little. A page
costs one call and saves one call for every key that it resolves. So pages are fetched for as long as they about pay for
themselves. The keys that are left are fetched one by one.
"""

from collections.abc import Sequence
from typing import Final

# Two gets cost at most one call more than the luckiest page, and run at the same time.
FEWEST_KEYS_FOR_A_PAGE: Final = 3
# The cost of a page, in gets. A page is one call as well, but pages come one after the other and have a hundred records
# to read, while gets run in parallel. If pages only just pay for themselves, gets go on with the same number of calls.
PAGE_COST: Final = 1.25
# Calls that pages may cost beyond the keys that they resolved. So k keys never need more than k + 2 calls.
MAX_DEFICIT: Final = 2
# With three keys or fewer left, a second page without any of them could cost more than the best plan in all.
FEW_KEYS_LEFT: Final = 3
# Good pages do not vouch for bad pages that follow. A list may start with all wanted keys, as new orders' numbers may.
# It is left after at most four pages without a key, not after as many pages as it resolved keys.
MAX_CREDIT: Final = 2


def should_fetch_page(requested: int, left: int, resolved: Sequence[int]) -> bool:
    """Return True if the next call should be a list page, rather than one get for each key that is left.

    Args:
        requested: Number of distinct keys at the start.
        left: Number of keys that are still unresolved.
        resolved: Number of keys that each page so far has resolved.
    """
    if requested < FEWEST_KEYS_FOR_A_PAGE or left <= 1:
        return False
    deficit = 0.0
    for keys in resolved:
        deficit = max(-MAX_CREDIT, deficit + PAGE_COST - keys)
    return deficit < (1 if left <= FEW_KEYS_LEFT else MAX_DEFICIT)
