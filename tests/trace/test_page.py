"""The page of a result, read as text and opened in a real browser."""

import base64
import html.parser
import itertools
import re
import shutil
import struct
import subprocess
import tempfile
import zlib

import pytest

from tests.trace.traces import MARKUP, failed, result_of, varied

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
DARK = "--blink-settings=preferredColorScheme=0"


class Elements(html.parser.HTMLParser):
    """Every element of a page, with its attributes, and the text that a reader sees."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for found, attributes in self.found if found == tag]


@pytest.fixture(scope="module")
def browser():
    """Run headless Chromium with some arguments and return what it prints; without it the test fails."""
    program = shutil.which("chromium")
    assert program is not None, (
        "Chromium is missing; install it with: apt-get install -y --no-install-recommends chromium"
    )

    def run(*arguments):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            command = [program, *FLAGS, f"--user-data-dir={profile}", *arguments]
            return subprocess.run(
                command, capture_output=True, check=True, timeout=120, encoding="utf-8"
            ).stdout

    return run


@pytest.fixture
def page(tmp_path):
    """The page of a varied result, as a file."""
    path = tmp_path / "page.html"
    path.write_text(varied().to_html(), encoding="utf-8")
    return path


def measured(browser, folder, page, width, *flags):
    """Return what a script outside of the page measures of it, at a width in pixels."""
    probe = """<!doctype html><meta charset="utf-8"><body>
    <iframe style="border:0;height:800px;width:WIDTHpx"></iframe><script>
    const frame = document.querySelector("iframe");
    frame.onload = () => {
      const inner = frame.contentDocument, view = frame.contentWindow;
      const touched = [...inner.querySelectorAll("nav a, summary")];
      const heights = touched.map(e => e.getBoundingClientRect().height);
      const colour = view.getComputedStyle(inner.body).backgroundColor;
      document.title = [inner.documentElement.scrollWidth, colour, Math.min(...heights)].join("|");
    };
    frame.srcdoc = new TextDecoder().decode(Uint8Array.from(atob("PAGE"), sign => sign.charCodeAt(0)));
    </script>"""
    path = folder / "probe.html"
    encoded = base64.b64encode(page.read_bytes()).decode()
    path.write_text(probe.replace("WIDTH", str(width)).replace("PAGE", encoded), encoding="utf-8")
    title = re.search(
        r"<title>(.*?)</title>", browser("--virtual-time-budget=5000", "--dump-dom", *flags, path.as_uri())
    )
    wide, background, target = title[1].split("|")
    return int(wide), tuple(map(int, re.findall(r"\d+", background))), float(target)


def picture(browser, folder, page, width, height, *flags):
    """Return the size of a screenshot, and the colour of its first pixel."""
    path = folder / f"{width}{''.join(flags)[-1:]}.png"
    browser(f"--window-size={width},{height}", f"--screenshot={path}", *flags, page.as_uri())
    data = path.read_bytes()
    size, body = struct.unpack(">II", data[16:24]), b""
    at = 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    return size, tuple(zlib.decompress(body)[1:4])


def test_browser_reads_markup_as_text_and_runs_none_of_it(browser, page):
    dom = browser("--dump-dom", page.as_uri())

    assert "<title>Success after 5 attempts</title>" in dom
    elements = Elements(dom)
    assert MARKUP in elements.text
    assert not elements.all("script")
    assert not elements.all("b")


def test_every_attempt_requirement_and_reason_is_on_the_page(browser, page):
    text = Elements(browser("--dump-dom", page.as_uri())).text

    for words in (
        "Attempt 5 of 5 was chosen",
        "1120 characters",
        "no, It is not kind at all.",
        "Not judged",
        "score 0.75",
    ):
        assert words in text


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_page_is_no_wider_than_the_screen_and_its_targets_fit_a_finger(browser, tmp_path, page, width):
    wide, _, target = measured(browser, tmp_path, page, width)

    assert wide == width
    assert target >= 44


@pytest.mark.parametrize(("flags", "colour"), [((), (0xF4, 0xF5, 0xF7)), ((DARK,), (0x12, 0x14, 0x17))])
def test_page_follows_the_colour_scheme_of_the_reader(browser, tmp_path, page, flags, colour):
    assert measured(browser, tmp_path, page, 390, *flags)[1] == colour


@pytest.mark.parametrize(
    ("width", "flags", "colour"),
    [(390, (), (0xF4, 0xF5, 0xF7)), (390, (DARK,), (0x12, 0x14, 0x17)), (1200, (), (0xF4, 0xF5, 0xF7))],
)
def test_screenshot_shows_the_page(browser, tmp_path, page, width, flags, colour):
    assert picture(browser, tmp_path, page, width, 1000, *flags) == ((width, 1000), colour)


def test_page_needs_nothing_else():
    page = varied().to_html()

    elements = Elements(page)
    loading = {"src", "srcset", "href", "action", "style", "onclick", "onload"}
    assert [attributes["href"] for attributes in elements.all("a")] == [
        f"#attempt-{number}" for number in range(1, 6)
    ]
    assert not [tag for tag, attributes in elements.found if tag != "a" and loading & attributes.keys()]
    assert not {"script", "link", "img", "iframe", "base"} & {tag for tag, _ in elements.found}
    assert "url(" not in page
    assert "@import" not in page
    policies = [
        meta["content"]
        for meta in elements.all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_page_has_landmarks_and_headings_in_order():
    elements = Elements(varied().to_html())
    tags = [tag for tag, _ in elements.found]

    assert [tags.count(tag) for tag in ("header", "nav", "main", "h1", "article", "h2")] == [1, 1, 1, 1, 5, 5]
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert elements.all("html")[0]["lang"] == "en"
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {article["aria-labelledby"] for article in elements.all("article")} <= set(ids)


def test_verdicts_are_told_in_words_and_not_by_colour_alone():
    elements = Elements(varied().to_html())

    assert all(
        mark["aria-hidden"] == "true" for mark in elements.all("span") if "mark" in mark.get("class", "")
    )
    for words in (
        "Met: It is kind.",
        "Not met: It is kind.",
        "Not checked: It is kind.",
        "Attempt 1: failure",
        ": met, chosen",
    ):
        assert words in elements.text


def luminance(colour):
    """Return the relative luminance of a colour (WCAG 2.2)."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1])
@pytest.mark.parametrize("ground", ["page", "card"])
@pytest.mark.parametrize("ink", ["text", "quiet", "good", "bad", "accent"])
def test_contrast_is_enough_for_small_text(scheme, ground, ink):
    rules = re.findall(r":root \{([^}]*)\}", varied().to_html())
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", rules[scheme]))

    dark, light = sorted([luminance(colours[ground]), luminance(colours[ink])])

    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_long_answers_are_folded_unless_they_were_chosen():
    folded = Elements(result_of("Far too long. " * 80, "ok").to_html())
    chosen = Elements(result_of("line\n" * 20, requirements=[]).to_html())

    assert [one for one in folded.all("details") if "class" not in one] == [{}]
    assert [one for one in chosen.all("details") if "class" not in one] == [{"open": None}]


def test_spaces_and_line_breaks_of_an_answer_are_kept():
    assert '<pre dir="auto">\n\n  a\n\tb</pre>' in result_of("\n  a\n\tb", requirements=[]).to_html()


def test_page_of_a_failure_says_what_is_wrong():
    text = Elements(failed().to_html()).text

    for words in (
        "Not every requirement is met",
        "The answer cannot be read: The output is no output",
        "(no text)",
    ):
        assert words in text


def test_page_of_one_attempt_without_requirements_has_no_empty_parts():
    elements = Elements(result_of("ok", requirements=[]).to_html())

    assert not elements.all("nav")
    assert not elements.all("ul")
    assert "Requirements" not in elements.text
    assert "Success after 1 attempt" in elements.text
