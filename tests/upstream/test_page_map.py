"""The page map: what it remembers of pages, and how much."""

from gateway.upstream.page_map import KnownStart, PageMap
from tests.loaders.page_source import Page


def learn(page_map: PageMap, token: str | None, keys: str, next_token: str | None, list_id: str = "numbers") -> None:
    # Each response has strings of its own.
    page_map.learn(list_id, token, Page(keys.split(), next_token and "".join(list(next_token))))


def known(page_map: PageMap, keys: str, list_id: str = "numbers") -> dict[str | None, list[str]]:
    return page_map.known(list_id).pages_of(keys.split())


def test_key_is_known_on_the_page_that_had_it_last() -> None:
    page_map = PageMap()
    learn(page_map, None, "a b", "t1")
    learn(page_map, "t1", "c d", None)
    assert known(page_map, "a d e") == {None: ["a"], "t1": ["d"]}
    learn(page_map, None, "b d", "t1")
    assert known(page_map, "a b d") == {None: ["b", "d"]}
    learn(page_map, "t1", "c d", None)
    assert known(page_map, "b d") == {None: ["b"], "t1": ["d"]}


def test_key_that_moved_stays_known_on_its_new_page() -> None:
    page_map = PageMap()
    learn(page_map, None, "a b", "t1")
    learn(page_map, "t1", "a c", None)
    learn(page_map, None, "b", "t1")
    assert known(page_map, "a") == {"t1": ["a"]}


def test_key_that_left_its_page_is_unknown() -> None:
    page_map = PageMap()
    learn(page_map, None, "a b", None)
    learn(page_map, None, "b", None)
    assert known(page_map, "a b") == {None: ["b"]}


def test_lists_do_not_share_pages() -> None:
    page_map = PageMap()
    learn(page_map, None, "a", None)
    assert known(page_map, "a", "orders") == {}
    learn(page_map, None, "b", None, "orders")
    assert known(page_map, "a b") == {None: ["a"]}


def test_start_ends_at_the_first_unknown_page() -> None:
    page_map = PageMap()
    assert page_map.known("numbers").start() == KnownStart([], None, is_complete=False)
    learn(page_map, "t2", "c", None)
    assert page_map.known("numbers").start() == KnownStart([], None, is_complete=False)
    learn(page_map, None, "a", "t1")
    assert page_map.known("numbers").start() == KnownStart([None], "t1", is_complete=False)
    learn(page_map, "t1", "b", "t2")
    assert page_map.known("numbers").start() == KnownStart([None, "t1", "t2"], None, is_complete=True)


def test_tokens_are_stable_only_if_an_unchanged_page_had_the_same_token_twice() -> None:
    page_map = PageMap()
    learn(page_map, None, "a", "t1")
    learn(page_map, "t1", "b", None)
    assert page_map.known("numbers").following(None, 9) == []
    learn(page_map, None, "a c", "t1")
    assert page_map.known("numbers").following(None, 9) == []
    learn(page_map, None, "a c", "t1")
    assert page_map.known("numbers").following(None, 9) == ["t1"]
    learn(page_map, None, "a c", "t2")
    assert page_map.known("numbers").following(None, 9) == []


def test_list_that_became_shorter_has_stable_tokens() -> None:
    page_map = PageMap()
    for next_token in ("t1", "t1", None, "t1"):
        learn(page_map, None, "a", next_token)
    assert page_map.known("numbers").following(None, 9) == ["t1"]
    assert repr(page_map.known("numbers")) == "<KnownList: 1 pages, 1 keys, stable tokens>"


def test_older_token_leads_to_a_known_page_if_tokens_are_unstable() -> None:
    page_map = PageMap()
    learn(page_map, None, "a", "t1")
    learn(page_map, "t1", "b", "t2")
    learn(page_map, None, "a", "t3")
    assert page_map.known("numbers").start() == KnownStart([None, "t1"], "t2", is_complete=False)
    page_map.refuse("numbers", "t3")
    assert page_map.known("numbers").start() == KnownStart([], None, is_complete=False)


def test_tokens_that_lead_in_a_circle_are_not_followed() -> None:
    page_map = PageMap()
    learn(page_map, None, "a", "t1")
    learn(page_map, "t1", "b", "t2")
    learn(page_map, "t2", "c", "t1")
    assert page_map.known("numbers").start() == KnownStart([], None, is_complete=False)


def test_page_read_longest_ago_is_forgotten_if_there_are_too_many_tokens() -> None:
    page_map = PageMap(max_tokens=2)
    learn(page_map, None, "a", "t1")
    learn(page_map, "t1", "b", "t2")
    learn(page_map, None, "a", "t1")
    learn(page_map, "t2", "c", None)
    assert known(page_map, "a b c") == {None: ["a"], "t2": ["c"]}


def test_page_read_longest_ago_is_forgotten_if_there_are_too_many_keys() -> None:
    page_map = PageMap(max_keys=4)
    learn(page_map, None, "a b", "t1")
    learn(page_map, "t1", "c d", "t2")
    learn(page_map, "t2", "e", None, "orders")
    assert known(page_map, "a b c d") == {"t1": ["c", "d"]}
    assert repr(page_map) == "<PageMap: 2 lists, 2 pages, 3 keys>"


def test_page_that_grows_and_shrinks_is_counted_by_its_present_keys() -> None:
    page_map = PageMap()
    for keys in ("a", "a b c", "b", "b"):
        learn(page_map, None, keys, None)
    assert repr(page_map) == "<PageMap: 1 lists, 1 pages, 1 keys>"


def test_forgotten_list_takes_no_memory() -> None:
    page_map = PageMap(max_tokens=1)
    for number in range(10):
        learn(page_map, None, "a b", "t1", f"list {number}")
    assert repr(page_map) == "<PageMap: 1 lists, 1 pages, 2 keys>"


def test_rejected_token_forgets_its_list_only() -> None:
    page_map = PageMap()
    learn(page_map, None, "a", "t1")
    learn(page_map, "t1", "b", "t2")
    learn(page_map, None, "c", "t1", "orders")
    page_map.refuse("numbers", "t2")
    assert known(page_map, "a b") == {}
    assert known(page_map, "c", "orders") == {None: ["c"]}


def test_rejected_token_that_is_not_known_forgets_no_page() -> None:
    """It may come from an old cursor of a client."""
    page_map = PageMap()
    learn(page_map, None, "a", "t1")
    page_map.refuse("numbers", "old")
    page_map.refuse("orders", "t1")
    assert known(page_map, "a") == {None: ["a"]}


def test_same_response_is_learned_once() -> None:
    """A cached response says nothing new, and learning it again would undo what newer responses said."""
    page_map, page = PageMap(), Page(["a"], "t1")
    page_map.learn("numbers", None, page)
    learn(page_map, "t1", "a", None)
    page_map.learn("numbers", None, page)
    assert known(page_map, "a") == {"t1": ["a"]}
