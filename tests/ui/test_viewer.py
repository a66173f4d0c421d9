"""The page of a trace, in a real browser on real traces."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Request

from executor_api.tracing import assemble
from executor_api.ui import trace_page
from executor_api.wire import TraceProgram, TraceResult
from tests.executor_api.tracer_bench import Bench, running_bench
from tests.trainer_client.traced import PROGRAMS, traced
from tests.ui.conftest import OpenTrace
from trainer_client.views.replay import Step, replay, visits

pytestmark = pytest.mark.browser

_LOOP = """\
def total_of(values):
    total = 0
    for value in values:
        total += value
    return total


first = total_of([3, -5, 4])
second = total_of([first, 10])
print(second)
"""
_HOSTILE = """\
text = "</script><script>document.title = 'taken'</script><!--<script>"
image = "<img src=x onerror=document.title='taken'>"
odd = {"\\u2028&amp;": "\\x1b[31m{{7*7}}", "__proto__": "]]>"}
globals()["<b>name</b>"] = 1
globals()["__proto__"] = 2
class Bait: pass
Bait.__qualname__ = Bait.__name__ = "<svg onload=alert(1)>"
bait = Bait()
done = 1
print(text)
raise ValueError(image)
"""
_HANDLED = """\
def inner(n):
    print("inner \U0001f600", n)
    if n:
        raise ValueError("é")
    return [n]
def outer(n):
    try:
        inner(n)
    except ValueError:
        return inner(0) + inner(0)
def each():
    yield from (outer(n) for n in (1, 0))
for x in each():
    print(x)
print("end", end="\U0001f600")
"""
_DEEP = "def down(n):\n    if n:\n        down(n - 1)\n    return n\ndown(600)\nx = 1\n"
_LONG = """\
total, seen = 0, []
for i in range(100_000):
    total += i % 7
    seen.append(total)
    if total % 5 == 0:
        total -= 3
"""
_BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with running_bench("3.11") as started:
        yield started


@pytest.fixture(scope="module")
def loop(bench: Bench) -> TraceResult:
    return traced(bench, _LOOP)


async def _position(page: Page) -> int:
    text = await page.inner_text("[data-is=position] b")
    return int(text.replace(",", ""))


async def _variables(page: Page) -> dict[str, str]:
    rows: list[list[str]] = await page.eval_on_selector_all(
        "[data-is=variables] tbody tr",
        "rows => rows.map(row => [row.querySelector('th'), row.querySelector('.value')]"
        ".map(cell => cell.textContent))",
    )
    return dict(rows)


async def _shows(page: Page, step: Step) -> None:
    """The page stands at ``step`` and shows its state."""
    assert await _position(page) == step.index + 1
    assert await page.inner_text("[data-is=scope]") == step.function
    assert (await page.inner_text(".row.now .number")).split()[-1] == str(step.line)
    assert await _variables(page) == dict(step.locals)


async def test_the_page_replays_as_the_client_does(
    bench: Bench, loop: TraceResult, open_trace: OpenTrace
) -> None:
    page = await open_trace(_LOOP, loop)
    results = {name: traced(bench, code) for name, code in PROGRAMS.items()}
    for events in range(8, 60, 7):  # cut where frames wait for others, and may still handle what
        results[f"cut at {events}"] = traced(bench, _HANDLED, max_events=events)  # was raised
    for name, result in results.items():
        assert await _replayed(page, result) == [
            [s.kind, s.line, list(s.stack), dict(s.locals), s.value, s.stdout]
            for s in replay(result)
        ], name


async def _replayed(page: Page, result: TraceResult) -> list[Any]:
    return await page.evaluate(
        """text => {
            const trace = new Trace(JSON.parse(text));
            return trace.events.map(([kind, line, frame], step) => [
                kind, line, trace.stack(step).reverse(),
                Object.fromEntries(trace.values(frame, step).filter(([, text]) => text !== null)),
                trace.given.get(step) ?? null, trace.result.stdout.slice(0, trace.written(step)),
            ]);
        }""",
        result.model_dump_json(),
    )


async def test_every_step_forward_and_back(loop: TraceResult, open_trace: OpenTrace) -> None:
    page = await open_trace(_LOOP, loop)
    steps = list(replay(loop))
    for step in steps:
        await _shows(page, step)
        await page.keyboard.press("ArrowRight")
    await _shows(page, steps[-1])
    for step in reversed(steps):
        await _shows(page, step)
        if step.index:
            await page.click("[data-do=back]")
    assert await page.is_disabled("[data-do=back]") and await page.is_disabled("[data-do=first]")


async def test_jumping(loop: TraceResult, open_trace: OpenTrace) -> None:
    page = await open_trace(_LOOP, loop)
    steps = list(replay(loop))
    line_4 = [step for step in steps if step.kind == "line" and step.line == 4]
    for step in [*line_4, line_4[0]]:  # after the last visit comes the first
        await page.click("[data-line='4']")
        await _shows(page, step)
    await page.keyboard.press("n")
    await _shows(page, line_4[1])
    await page.keyboard.press("p")
    await page.keyboard.press("p")  # there is none before
    await _shows(page, line_4[0])
    await page.keyboard.press("End")
    await _shows(page, steps[-1])
    await page.fill("[data-is=slider]", "5")
    await _shows(page, steps[5])
    await page.keyboard.press("Home")
    await _shows(page, steps[0])
    box = await page.locator("[data-is=plot]").bounding_box()
    assert box is not None
    await page.mouse.click(box["x"] + box["width"] - 1, box["y"] + 20)
    await _shows(page, steps[-1])


async def test_over_a_call_and_out_of_it(loop: TraceResult, open_trace: OpenTrace) -> None:
    page = await open_trace(_LOOP, loop)
    steps = list(replay(loop))
    at_call, after = (
        next(step for step in steps if step.kind == "line" and step.line == line) for line in (8, 9)
    )
    await page.click("[data-line='8']")
    await _shows(page, at_call)
    await page.keyboard.press("o")
    await _shows(page, after)
    await page.click("[data-line='4']")
    await page.keyboard.press("u")
    assert (await page.inner_text("[data-is=scope]")) == "<module>"


async def test_what_a_line_changed_is_marked(loop: TraceResult, open_trace: OpenTrace) -> None:
    page = await open_trace(_LOOP, loop)
    visit = [visit for visit in visits(loop) if visit.line == 4][1]
    assert visit.after is not None and visit.changes() == {"total": "-2"}
    await page.evaluate("step => viewer.go(step)", visit.after.index)
    assert await page.inner_text("tr.changed th") == "total"
    assert await page.inner_text("tr.changed .was") == "was 3"
    effect = page.locator(".effect:visible")
    assert await effect.count() == 1
    assert await effect.inner_text() == "total = -2"
    row = page.locator(".row", has=effect)
    assert "total += value" in await row.inner_text()


async def test_the_frames_below(loop: TraceResult, open_trace: OpenTrace) -> None:
    page = await open_trace(_LOOP, loop)
    await page.click("[data-line='4']")
    stack = page.locator("[data-is=stack] button")
    assert await stack.all_inner_texts() == ["total_of\nline 4", "<module>\nline 8"]
    await stack.nth(1).click()
    assert await page.inner_text("[data-is=scope]") == "<module>"
    assert "total_of" in await _variables(page)
    await page.keyboard.press("ArrowRight")  # neither the choice nor the focus is lost
    assert await page.inner_text("[data-is=scope]") == "<module>"
    assert await page.evaluate("document.activeElement.innerText") == "<module>\nline 8"
    await page.keyboard.press("End")  # the chosen frame is the running one by now
    assert (await _variables(page))["second"] == "12"


async def test_with_the_keyboard_alone(loop: TraceResult, open_trace: OpenTrace) -> None:
    page = await open_trace(_LOOP, loop)
    reached = []
    for _ in range(12):
        await page.keyboard.press("Tab")
        reached.append(await page.evaluate("document.activeElement.ariaLabel"))
    order = ["Step forward", "Last step", "Step", "Keys", "Line 1, 1 visit"]
    places = [reached.index(name) for name in order]
    assert places == sorted(places)
    while await page.evaluate("document.activeElement.ariaLabel") != "Line 1, 1 visit":
        await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    assert await page.evaluate("document.activeElement.ariaLabel") == "Line 3, 7 visits"
    await page.keyboard.press("Enter")
    assert await page.inner_text("[data-is=status]") == "about to run line 3 · visit 1 of 7"
    await page.keyboard.press("?")
    assert await page.is_visible("dialog >> text=next, previous visit")
    before = await _position(page)
    await page.keyboard.press("ArrowRight")  # belongs to the dialog
    await page.keyboard.press("Escape")
    assert await _position(page) == before
    await page.keyboard.press("ArrowRight")
    live = page.locator("[aria-live=polite]")
    await page.wait_for_timeout(400)
    assert await live.inner_text() == "about to run line 4 · visit 1 of 5. value = 3"


async def test_light_and_dark(loop: TraceResult, open_trace: OpenTrace) -> None:
    page = await open_trace(_LOOP, loop)
    backgrounds = []
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        backgrounds.append(_luminance(await page.evaluate(_BACKGROUND)))
        for name in ("--ink", "--soft", "--accent", "--good", "--bad"):
            colour = await page.evaluate(
                "name => { const probe = document.createElement('i'); document.body.append(probe);"
                "probe.style.color = `var(${name})`; const found = getComputedStyle(probe).color;"
                "probe.remove(); return found }",
                name,
            )
            assert _contrast(_luminance(colour), backgrounds[-1]) >= 4.5, (scheme, name, colour)
    assert backgrounds[0] > 0.9 and backgrounds[1] < 0.05


def _luminance(colour: str) -> float:
    """WCAG's relative luminance of ``rgb(r, g, b)``."""
    parts = [int(part) / 255 for part in colour[4:-1].split(",")]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


@pytest.mark.parametrize("width", [360, 700])
async def test_small_screens(
    width: int, loop: TraceResult, page: Page, open_trace: OpenTrace
) -> None:
    await page.set_viewport_size({"width": width, "height": 640})
    await open_trace(_LOOP, loop)
    assert await page.evaluate("document.scrollingElement.scrollWidth") <= width
    await page.click("[data-do=last]")
    assert await _position(page) == len(loop.events)


async def test_hostile_values_are_text(bench: Bench, page: Page, open_trace: OpenTrace) -> None:
    result = traced(bench, _HOSTILE)
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    dialogs: list[object] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog))
    result.id = "<i>id</i></title><script>document.title='taken'</script>"
    await open_trace(_HOSTILE + "# </script><script>document.title='taken'</script>", result)
    for step in replay(result):
        assert await _variables(page) == dict(step.locals)
        await page.keyboard.press("ArrowRight")
    assert await page.title() == f"{result.id}: trace"
    assert await page.locator("img, svg[onload], b:has-text('name'), i").count() == 0
    assert await page.evaluate("document.scripts.length") == 2
    assert [request.url.split(":")[0] for request in asked] == ["file"]
    assert dialogs == []


def test_data_cannot_end_the_element_it_stands_in(loop: TraceResult) -> None:
    code = "x = '</script><!--<script>\u2028\u2029&'"
    html = trace_page(code, loop)
    data = html.split('<script type="application/json" id="trace">')[1].split("</script>")[0]
    assert not set("<>&\u2028\u2029") & set(data)
    assert json.loads(data)["code"] == code
    assert "'unsafe-" not in html and "http-equiv" in html


async def test_the_policy_stops_what_is_put_into_the_page(
    loop: TraceResult, browser: Any, tmp_path: Path
) -> None:
    file = tmp_path / "trace.html"
    html = trace_page(_LOOP, loop)
    file.write_text(html.replace("<body>", "<body><script>document.title = 'taken'</script>"))
    page = await browser.new_page()
    await page.goto(file.as_uri())
    await page.wait_for_selector(".row.now")
    title, inserted = await page.title(), "node.innerHTML = '<img src=x onerror=alert(1)>'"
    assert title == "program: trace"
    with pytest.raises(Exception, match="TrustedHTML"):
        await page.evaluate(f"() => {{ const node = document.body; {inserted} }}")
    await page.close()


@pytest.mark.parametrize("code", [_LONG, _DEEP], ids=["10,000 events", "deep recursion"])
async def test_a_step_stays_quick(code: str, bench: Bench, open_trace: OpenTrace) -> None:
    result = traced(bench, code)
    page = await open_trace(code, result)
    count = len(result.events)
    assert count > 1800
    times = await page.evaluate(
        """count => {
            const times = [];
            for (let index = 0; index < 300; index++) {
                const step = index < 150 ? index + 1 : (index * 7919) % count;
                const began = performance.now();
                viewer.go(step);
                document.body.offsetHeight;
                times.push(performance.now() - began);
            }
            return times.sort((a, b) => a - b);
        }""",
        count,
    )
    median = times[150]
    print(f"step: median {median:.2f} ms, 95 % {times[285]:.2f} ms")
    assert median < 16  # the rest is what else the machine does


async def test_a_deep_stack_is_shown_in_part(bench: Bench, open_trace: OpenTrace) -> None:
    page = await open_trace(_DEEP, traced(bench, _DEEP))
    await page.click("[data-line='4']")
    assert await page.locator("[data-is=stack] li").count() < 15
    assert "594 more" in await page.inner_text("[data-is=stack] .gap")


async def test_what_is_returned_and_yielded(bench: Bench, open_trace: OpenTrace) -> None:
    result = traced(bench, _HANDLED)
    page = await open_trace(_HANDLED, result)
    steps = list(replay(result))
    returned = next(step for step in steps if step.kind == "return")
    await page.evaluate("step => viewer.go(step)", returned.index)
    assert await page.inner_text("[data-is=status]") == "inner returns at line 5: [0]"
    assert await page.inner_text(".row.now .effect") == "returns [0]"
    yielded = [step for step in steps if step.kind == "yield" and step.function == "each"]
    await page.evaluate("step => viewer.go(step)", yielded[0].index)
    assert await page.inner_text("[data-is=status]") == "each yields at line 12: [0, 0]"
    await page.keyboard.press("End")  # the module gives nothing
    assert await page.inner_text("[data-is=status]") == "leaves <module> at line 15"
    assert await page.locator(".effect:visible").count() == 0


async def test_what_is_raised(bench: Bench, open_trace: OpenTrace) -> None:
    code = (
        "def f():\n    try:\n        x = 1 / 0\n    except ArithmeticError:\n"
        "        raise OSError(5, 'b') from None\nf()\n"
    )
    page = await open_trace(code, traced(bench, code))
    seen = []
    for step in replay(traced(bench, code)):
        if step.kind == "exception":
            await page.evaluate("step => viewer.go(step)", step.index)
            assert "raised" in str(await page.get_attribute(".row.now", "class"))
            seen.append(await page.inner_text("[data-is=status]"))
            assert await page.inner_text(".row.now .effect") == seen[-1].replace(
                f"exception in line {step.line}: ", "raises "
            )
    assert seen == [
        "exception in line 3: ZeroDivisionError: division by zero",
        "exception in line 5: <OSError (5, 'b')>",
        "exception in line 6: <OSError (5, 'b')>",
    ]


async def test_the_output_so_far(bench: Bench, open_trace: OpenTrace) -> None:
    result = traced(bench, _HANDLED)
    page = await open_trace(_HANDLED, result)
    steps = list(replay(result))
    for before, step in zip([steps[0], *steps], steps, strict=False):
        await page.evaluate("step => viewer.go(step)", step.index)
        assert await page.text_content("[data-is=stdout]") == step.stdout
        news = step.stdout.removeprefix(before.stdout)
        assert await page.text_content("[data-is=stdout] .news") == news
    await page.keyboard.press("Home")
    assert await page.inner_text("[data-is=outputTitle]") == "Output so far: none"
    printed = next(step for step in steps if step.written)
    await page.evaluate("step => viewer.go(step)", printed.index)
    await page.wait_for_timeout(400)
    assert (await page.inner_text("[aria-live=polite]")).endswith("printed inner \U0001f600 1")


async def test_much_output_is_shown_from_its_end(bench: Bench, open_trace: OpenTrace) -> None:
    code = "for i in range(3):\n    print(i, '\U0001f600' * 40_000, i)\n"
    page = await open_trace(code, traced(bench, code))
    await page.keyboard.press("End")
    shown = await page.inner_text("[data-is=stdout]")
    assert len(shown) < 50_000 and shown.rstrip().endswith("\U0001f600 2")
    assert "more before this" in shown and "\ufffd" not in shown


async def test_output_behind_the_recording(bench: Bench, open_trace: OpenTrace) -> None:
    code = "for i in range(9):\n    print(i)\n"
    page = await open_trace(code, traced(bench, code, max_events=8))
    await page.keyboard.press("End")
    assert await page.text_content("[data-is=stdout] .soft") == "".join(
        f"{i}\n" for i in range(3, 9)
    )


async def test_an_incomplete_recording_says_so(bench: Bench, open_trace: OpenTrace) -> None:
    page = await open_trace(_LONG, traced(bench, _LONG))
    assert "stops after as many events" in await page.inner_text("[data-is=notice]")


async def test_what_does_not_compile_has_no_steps(open_trace: OpenTrace) -> None:
    error = {"type": "SyntaxError", "message": "invalid syntax", "line": 2}
    outcome = ["outcome", {"outcome": "compile_error", "exception": error, "stdout": "",
                           "stderr": "", "truncated": False}]  # fmt: skip
    result = assemble(
        TraceProgram(code="x = 1\nx ="),
        0,
        {"end": "exited", "code": 0, "cpu": 0.1, "wall": 0.2, "memory": 9.0},
        json.dumps(outcome).encode() + b"\n",
        runtime="runsc",
        python="3",
    )
    assert result.status == "compile_error"
    page = await open_trace("x = 1\nx =", result)
    assert "SyntaxError in line 2" in await page.inner_text("[data-is=notice]")
    assert await page.locator(".row.raised .number").inner_text() == "2"
    assert not await page.is_visible("[data-is=transport]")
