"""The choice between upstream calls that find records by key: one get for each key, or a list page for many at once.

A page costs one call and saves one call for every key that it resolves. If the process has seen the keys on pages
before, `first_calls` chooses pages and gets that run at the same time. The pages of other keys are unknown. Each page
gives a hint, so `should_fetch_page` decides after each page.

Calls cost the account's quota, and waits cost the client's time. If the operator set a quota, or AWS has throttled
recently, the fewest calls come first. Otherwise a wait counts as much as CALLS_PER_WAIT calls.
"""

from collections.abc import Collection, Mapping, Sequence
from math import ceil
from typing import Final, NamedTuple

from gateway.upstream.page_map import KnownStart

# Two gets cost at most one call more than the luckiest page, and run at the same time.
FEWEST_KEYS_FOR_A_PAGE: Final = 3
# The cost of a page, in gets. A page is one call as well, but pages come one after the other, while gets run in
# parallel. A page also has a hundred records to read. If pages cost as many calls as gets would, gets are chosen.
PAGE_COST: Final = 1.25
# Calls that pages may cost beyond the keys that they resolved. So k keys need at most k + 2 calls. The one exception is
# KEYS_PER_UNPROVEN_PAGE.
MAX_DEFICIT: Final = 2
# With three keys or fewer left, a second page without any of them could cost more than the best plan in all.
FEW_KEYS_LEFT: Final = 3
# Good pages say little about the pages that follow. A list may start with all wanted keys, as new orders' numbers may.
# Gets take over after at most four pages without a key, not after as many pages as the list resolved keys.
MAX_CREDIT: Final = 2
# Calls that are worth one wait, if calls are not scarce. AWS takes 50 to 200 ms a call. 40 gets take some 10 ms of CPU.
# So 100 keys are read from up to four pages, one after the other, and by gets if they are on more.
CALLS_PER_WAIT: Final = 40
# A known page with two wanted keys saves a call. With one, a get costs as much and carries one record.
FEWEST_KEYS_ON_A_KNOWN_PAGE: Final = 2
# More known pages than MAX_DEFICIT are read at the same time if they held so many wanted keys each. So 100 keys on ten
# pages take one wait. If all of them have moved, ten calls were wasted. If ten of them are still there, none was.
KEYS_PER_UNPROVEN_PAGE: Final = 10


class FirstCalls(NamedTuple):
    """The calls that a batch makes at the same time, from what is known of the list.

    Attributes:
        pages: The tokens of the pages to read. The first ones hold most of the keys.
        gets: The keys to get.
        unknown: The keys to look for afterwards, because their pages are not known.
        most_wasted: The most calls that pages may cost beyond the gets that they save.
    """

    pages: list[str | None]
    gets: set[str]
    unknown: set[str]
    most_wasted: int


def first_calls(
    keys: Collection[str],
    keys_of_pages: Mapping[str | None, Collection[str]],
    start: KnownStart,
    *,
    gets_at_once: int | None,
    end_proves_absence: bool,
) -> FirstCalls:
    """Return the calls for keys that the process has seen, and the keys for which it is better to read on.

    Args:
        keys: Distinct keys, at least FEWEST_KEYS_FOR_A_PAGE.
        keys_of_pages: The keys that were last seen on each page, by the page's token.
        start: The known pages from the start of the list.
        gets_at_once: Number of calls that run at the same time, or None if the fewest calls come first.
        end_proves_absence: Whether a key that is not in the whole list has no record.
    """
    is_all = end_proves_absence and start.is_complete
    pages = _richest_first(keys_of_pages, start.tokens if is_all else ())
    most_wasted = _most_wasted([len(keys_of_pages.get(token, ())) for token in pages])
    rich = [token for token in pages if len(keys_of_pages.get(token, ())) >= FEWEST_KEYS_ON_A_KNOWN_PAGE]
    gets = set(keys).difference(*(keys_of_pages[token] for token in rich))
    if is_all and len(pages) < len(rich) + len(gets) and (gets_at_once is None or len(pages) <= most_wasted):
        # The end of the list proves that the other keys have no record.
        return FirstCalls(pages, set(), set(), most_wasted)
    unknown = gets.difference(*keys_of_pages.values())
    next_page: list[str | None] = []
    if is_all or len(unknown) < FEWEST_KEYS_FOR_A_PAGE:
        unknown = set()
    elif gets_at_once is not None and rich and len(unknown) <= CALLS_PER_WAIT:
        unknown = set()
        if start.next_token is not None and start.next_token not in rich:
            # The next page costs no wait. So the map grows, and the next batch needs fewer gets.
            next_page = [start.next_token]
    if gets_at_once is not None:
        rich, gets = _with_fewest_waits(rich, gets, keys_of_pages, most_wasted - len(next_page), gets_at_once)
    return FirstCalls(rich + next_page, gets - unknown, unknown, most_wasted)


def _richest_first(
    keys_of_pages: Mapping[str | None, Collection[str]], others: Sequence[str | None]
) -> list[str | None]:
    """Return the tokens of pages, and other tokens after them. Pages that hold the most keys come first."""
    return sorted(dict.fromkeys((*keys_of_pages, *others)), key=lambda token: -len(keys_of_pages.get(token, ())))


def _most_wasted(keys_each: Sequence[int]) -> int:
    """Return how many pages may be read at the same time. Each of them may hold none of its keys any more.

    Args:
        keys_each: Number of keys that each page held, the most first.
    """
    most = MAX_DEFICIT
    while most < len(keys_each) and (more := MAX_DEFICIT + sum(keys_each[:most]) // KEYS_PER_UNPROVEN_PAGE) > most:
        most = min(more, len(keys_each))
    return most


def _with_fewest_waits(
    pages: list[str | None],
    gets: set[str],
    keys_of_pages: Mapping[str | None, Collection[str]],
    pages_at_once: int,
    calls_at_once: int,
) -> tuple[list[str | None], set[str]]:
    """Return the pages to read and the keys to get. Keys of the last pages are got if that costs less than a wait."""
    first, others = pages[:pages_at_once], pages[pages_at_once:]
    more_gets = gets.union(*(keys_of_pages[token] for token in others))
    with_gets, with_pages = len(first) + len(more_gets), len(pages) + len(gets)
    waits_with_gets = ceil(with_gets / calls_at_once)
    waits_with_pages = max(1 + ceil(len(others) / calls_at_once), ceil(with_pages / calls_at_once))
    if with_gets + waits_with_gets * CALLS_PER_WAIT <= with_pages + waits_with_pages * CALLS_PER_WAIT:
        return first, more_gets
    return pages, gets


def should_fetch_page(
    requested: int, left: int, resolved: Sequence[int], gets_at_once: int | None = None, *, wasted: int = 0
) -> bool:
    """Return True if the next call should be a list page, rather than one get for each key that is left.

    Args:
        requested: Number of distinct keys at the start.
        left: Number of keys that are still unresolved.
        resolved: Number of keys that each page so far has resolved.
        gets_at_once: Number of gets that run at the same time, or None if the fewest calls come first.
        wasted: The part of MAX_DEFICIT that other pages of the batch have used up.
    """
    if requested < FEWEST_KEYS_FOR_A_PAGE or left <= 1:
        return False
    deficit = float(max(0, wasted))
    for keys in resolved:
        deficit = max(-MAX_CREDIT, deficit + PAGE_COST - keys)
    if deficit >= (1 if left <= FEW_KEYS_LEFT else MAX_DEFICIT):
        return False
    found = [keys for keys in resolved if keys]
    if gets_at_once is None or not found:
        return True
    # The next pages probably hold as many keys as those that held any.
    pages = left * len(found) / sum(found)
    return pages * (1 + CALLS_PER_WAIT) <= left + ceil(left / gets_at_once) * CALLS_PER_WAIT
