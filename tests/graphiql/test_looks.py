"""The page's looks, measured in Chromium: contrast in both colour schemes, and boxes at three widths of the window."""

from collections.abc import Iterator
from typing import Any, Final, Literal

import pytest
from playwright.sync_api import Browser, FloatRect, Locator, expect

from tests.graphiql.visit import Visit, visiting

# WCAG 2.2, 1.4.3, asks for 4.5. Some colours of Monaco's themes have between 3 and 4.5, such as those of comments.
CONTRAST: Final = 4.5
CONTRAST_IN_EDITORS: Final = 3

# Return the visible texts within elements with a lower contrast to the ground behind them than `minimum`.
FAINT_TEXTS: Final = """({ within, minimum }) => {
  const rgba = (colour) => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return [r, g, b, a] }
  const over = (top, ground) => [0, 1, 2].map((i) => top[i] * top[3] + ground[i] * (1 - top[3]))
  const groundOf = (element) => {
    const layers = []
    for (let each = element; each; each = each.parentElement) {
      layers.unshift(rgba(getComputedStyle(each).backgroundColor))
    }
    return layers.reduce((ground, layer) => over(layer, ground), [255, 255, 255])
  }
  const luminance = (colour) => {
    const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    const [r, g, b] = colour.map((part) => linear(part / 255))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const faint = {}
  let count = 0
  for (const root of document.querySelectorAll(within)) {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT)
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement
      if (!walker.currentNode.data.trim() || !element.checkVisibility({ opacityProperty: true })) continue
      count += 1
      const ground = groundOf(element)
      const text = over(rgba(getComputedStyle(element).color), ground)
      const [dark, bright] = [luminance(ground), luminance(text)].sort((a, b) => a - b)
      const contrast = (bright + 0.05) / (dark + 0.05)
      if (contrast < minimum) faint[walker.currentNode.data] = contrast
    }
  }
  return { faint, count }
}"""
# Return the width of an input's placeholder and of the room for it, in pixels.
PLACEHOLDER_AND_ROOM: Final = """(input) => {
  const style = getComputedStyle(input)
  const canvas = document.createElement('canvas').getContext('2d')
  canvas.font = style.font
  const room = input.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)
  return [canvas.measureText(input.placeholder).width, room]
}"""


@pytest.fixture(scope="module", params=["light", "dark"])
def system(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def opened(chromium: Browser, url: str, system: Literal["light", "dark"]) -> Iterator[Visit]:
    """Return one visit for all measurements, because each takes 2 s of CPU. It shows a response and the docs."""
    with visiting(chromium, url, system) as visit:
        visit.run_button.click()
        expect(visit.response).to_contain_text("e164PhoneNumber")
        toggle_docs(visit)
        expect(visit.page.locator(".graphiql-plugin").get_by_role("link", name="Query")).to_be_visible()
        yield visit


@pytest.fixture(params=[390, 850, 1400], ids=lambda width: f"{width} px")
def width(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def shown(opened: Visit, width: int, system: Literal["light", "dark"]) -> Visit:
    """Return the visit in a window of this width and in the system's first scheme."""
    opened.page.set_viewport_size({"width": width, "height": 800})
    opened.page.emulate_media(color_scheme=system)
    return opened


def toggle_docs(visit: Visit) -> None:
    visit.page.locator(".graphiql-sidebar button[aria-label$='Documentation Explorer']").click()
    # Move away, because a hovered button shows a tooltip.
    visit.page.mouse.move(0, 0)


def box(locator: Locator) -> FloatRect:
    found = locator.bounding_box()
    assert found is not None
    return found


def is_within(inner: FloatRect, outer: FloatRect) -> bool:
    return (
        outer["x"] <= inner["x"]
        and outer["y"] <= inner["y"]
        and inner["x"] + inner["width"] <= outer["x"] + outer["width"]
        and inner["y"] + inner["height"] <= outer["y"] + outer["height"]
    )


def faint_texts(visit: Visit, within: str, minimum: float) -> dict[str, float]:
    found = visit.page.evaluate(FAINT_TEXTS, {"within": within, "minimum": minimum})
    assert found["count"] > 5
    faint: dict[str, float] = found["faint"]
    return faint


def test_text_is_readable_before_and_after_a_switch_of_the_system(shown: Visit, system: Any) -> None:
    other: Literal["light", "dark"] = "light" if system == "dark" else "dark"
    for scheme in (system, other):
        shown.page.emulate_media(color_scheme=scheme)
        shown.page.wait_for_function(
            "dark => document.querySelector('.monaco-editor').classList.contains('vs-dark') == dark",
            arg=scheme == "dark",
        )
        assert faint_texts(shown, ".view-lines", CONTRAST_IN_EDITORS) == {}
        assert faint_texts(shown, ".graphiql-plugin, .graphiql-session-header, .graphiql-editor-tools", CONTRAST) == {}


def test_parts_are_within_their_bars_and_do_not_overlap(shown: Visit, width: int) -> None:
    page = shown.page
    for _ in ("with documentation", "without"):
        bar = box(page.locator(".graphiql-session-header"))
        title, add, tabs = (
            box(page.locator(part)) for part in (".graphiql-logo", ".graphiql-tab-add", ".graphiql-tabs")
        )
        assert is_within(title, bar)
        assert title["height"] < 30
        assert tabs["width"] > 100
        assert tabs["x"] + tabs["width"] <= add["x"]
        assert add["x"] + add["width"] <= title["x"]
        assert page.evaluate("document.documentElement.scrollWidth") == width
        toggle_docs(shown)


def test_response_is_wide_enough_to_read(shown: Visit) -> None:
    for _ in ("with documentation", "without"):
        response = shown.page.locator(".graphiql-response")
        assert box(response)["width"] > 300
        assert box(response)["height"] > 150
        # A wrapped name or number would be in two lines.
        expect(response.locator(".view-line", has_text='"e164PhoneNumber":').first).to_be_visible()
        expect(response.locator(".view-line", has_text='+12065550100"').first).to_be_visible()
        toggle_docs(shown)


def test_search_field_of_the_documentation_shows_its_whole_text(shown: Visit) -> None:
    field = shown.page.locator(".graphiql-doc-explorer-search [role=combobox]")
    placeholder, room = field.evaluate(PLACEHOLDER_AND_ROOM)
    assert 30 < placeholder <= room
    panel = box(shown.page.locator(".graphiql-plugin"))
    assert is_within(box(shown.page.locator(".graphiql-doc-explorer-search")), panel)
    title = shown.page.locator(".graphiql-doc-explorer-header-content")
    assert box(title)["x"] + box(title)["width"] <= box(field)["x"]
    cut = "links => links.filter(link => link.getBoundingClientRect().right > link.closest('.graphiql-plugin')"
    names = shown.page.locator(".graphiql-plugin a")
    assert names.evaluate_all(cut + ".getBoundingClientRect().right).map(link => link.textContent)") == []


def test_typing_a_directive_writes_nothing_to_the_console(opened: Visit) -> None:
    """It is the last test, because it changes the query."""
    opened.write("Operation Editor", "{ phoneNumbers(first: 3) { nodes ")
    opened.page.keyboard.type("@stream ", delay=20)
    expect(opened.query).to_contain_text("@stream")
    assert opened.trouble == []
