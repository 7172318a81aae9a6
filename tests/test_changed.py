"""`make check` selects the tests of what changed."""

import pytest

from tests.changed import OF_ANY_CODE, ROOT, TESTS, selected, targets


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("gateway/upstream/cache/single_flight.py", {"tests/upstream/cache", *OF_ANY_CODE}),
        ("gateway/settings.py", {"tests/test_start_up.py", *OF_ANY_CODE}),
        ("gateway/graphiql/src/main.jsx", {"tests/graphiql"}),
        ("tests/paging/test_cursor.py", {"tests/paging/test_cursor.py"}),
        ("tests/paging/scripted_lists.py", {"tests/paging"}),
        ("deploy/kubernetes/service.yaml", {"tests/deploy", "tests/docs/test_pages.py"}),
        ("LICENSE", set()),
    ],
)
def test_a_file_selects_the_tests_of_its_folder(file: str, expected: set[str]) -> None:
    assert set(selected([file])) == expected


def test_a_helper_selects_the_files_that_import_it() -> None:
    tests = selected(["tests/support/loop_clock.py"])
    assert tests
    assert all("loop_clock" in (ROOT / test).read_text() for test in tests)


def test_a_selected_folder_includes_its_files_and_a_removed_file_selects_nothing() -> None:
    files = ["gateway/paging/cursor.py", "tests/paging/test_cursor.py", "tests/paging/test_removed.py"]
    assert set(selected(files)) == {"tests/paging", *OF_ANY_CODE}


def test_every_module_of_the_gateway_and_every_entry_has_tests() -> None:
    modules = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("gateway/**/*.py") if path.name != "__init__.py"]
    missing = [test for module in modules for test in targets(module) if not (ROOT / test).exists()]
    missing += [test for tests in TESTS.values() for test in tests if not (ROOT / test).exists()]
    assert missing == []
    assert [entry for entry in TESTS if not (ROOT / entry).exists()] == []
