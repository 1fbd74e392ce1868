"""Opens a page in headless Chromium at several widths, dark and light, and checks what a person would see.

    status_page_browser.py status URL PICTURES      the coordinator's status page
    status_page_browser.py bare URL PICTURES        the page of a run that is stalled before its first chunk
    status_page_browser.py report FILE PICTURES     a report of `bolster report`

Prints a line for each view and ends with exit code 1 at the first thing that is wrong: a script error, a
request to elsewhere, a page wider than its window, text that is cut off or hardly to be read.
"""

import pathlib
import re
import shutil
import sys

from playwright.sync_api import expect, sync_playwright

WIDTHS = [360, 768, 1280]

# Contrast of text against what lies behind it, as WCAG 2 computes it; 4.5 is its level AA.
CONTRAST = """() => {
  const rgb = (text) => { const c = document.createElement('canvas').getContext('2d');
    c.fillStyle = text; c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) {
    const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] > 250) return c; } return [255, 255, 255]; };
  const bad = [];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    if (!e.checkVisibility() || e.closest('button:disabled') || e.closest('svg')) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const text = e.textContent.trim().slice(0, 30);
    if (ratio < 4.5) bad.push(`${e.tagName}.${e.className} "${text}" ${ratio.toFixed(2)}`);
  }
  return bad;
}"""

# Elements that hold more than they show, other than those meant to scroll.
CUT_OFF = """() => [...document.querySelectorAll('body *')]
  .filter((e) => e.checkVisibility() && !e.closest('svg') && !e.closest('.scroll') && e.clientWidth > 0
    && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline')
  .map((e) => `${e.tagName}#${e.id}.${e.className} ${e.scrollWidth} > ${e.clientWidth}`)"""


def check(condition, message):
    if not condition:
        sys.exit(f"wrong: {message}")


def open_view(browser, address, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.faults = []
    page.on("console", lambda m: page.faults.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: page.faults.append(str(e)))
    page.on(
        "request",
        lambda r: None if r.url.startswith((address, "data:")) else page.faults.append(f"asks {r.url}"),
    )
    page.goto(address)
    return page


def check_view(page, width, scheme, pictures, name):
    check(not page.faults, f"{name} {width} {scheme}: {page.faults}")
    wide = page.evaluate("document.documentElement.scrollWidth")
    check(wide <= width, f"{name} {width} {scheme}: the page is {wide} pixels wide")
    check(not (cut := page.evaluate(CUT_OFF)), f"{name} {width} {scheme}: cut off: {cut}")
    check(not (faint := page.evaluate(CONTRAST)), f"{name} {width} {scheme}: hardly to be read: {faint}")
    page.screenshot(path=pictures / f"{name}-{width}-{scheme}.png", full_page=True)
    print(f"{name} {width} {scheme}: fine")


def status_page(browser, address, pictures):
    for scheme in ["light", "dark"]:
        for width in WIDTHS:
            page = open_view(browser, address, width, scheme)
            page.wait_for_selector("body[data-ready]")
            check(not page.faults, f"while it loads: {page.faults}")
            check(page.locator("#run").inner_text() == "datacompdr-1b", "the run's name")
            check(page.locator("#stages li").count() == 4, "four stages")
            check(page.locator("#chart svg path.line").count() == 4, "four lines")
            check("<script>" in page.locator("#failures").inner_text(), "messages are text, not markup")
            page.wait_for_timeout(700)
            check_view(page, width, scheme, pictures, "status")
            page.context.close()
    interact(open_view(browser, address, 1280, "light"), pictures)


def bare_page(browser, address, pictures):
    for scheme in ["light", "dark"]:
        for width in WIDTHS:
            page = open_view(browser, address, width, scheme)
            page.wait_for_selector("body[data-ready]")
            check("Stalled" in page.locator("#alarm").inner_text(), "the stall is told")
            check(page.locator("#left").inner_text() == "–", "no time is made up")
            check("No worker has come" in page.locator("#workers").inner_text(), "no workers")
            check("0.0 %" in page.locator("#percent").inner_text(), "nothing is done")
            check_view(page, width, scheme, pictures, "bare")
            page.context.close()


def interact(page, pictures):
    page.wait_for_selector("body[data-ready]")
    check("10,000" in page.locator("#crew").inner_text(), "ten thousand workers")
    check(page.locator("#workers tr").count() == 25, "a page of workers")
    page.locator("#next").click()
    expect(page.locator("#page-of")).to_have_text(re.compile("^2 of 400"))
    page.locator("[data-sort=silent]").click()
    expect(page.locator("#workers tr td:last-child").first).to_have_text("41 s")
    page.fill("#search", "gpu0007")
    expect(page.locator("#workers tr")).to_have_count(8)
    page.locator("#spans [data-span=day]").click()
    expect(page.locator("#chart svg")).to_contain_text(" h")
    box = page.locator("#chart").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 80)
    check("ago" in page.locator("#chart .tip").inner_text(), "the cursor reads out")
    page.locator("#chart").screenshot(path=pictures / "status-cursor.png")
    page.locator("#failures button").first.click()
    expect(page.locator("#retry-note")).to_contain_text("new attempts")
    before = page.locator("#since").inner_text()
    page.wait_for_timeout(4500)
    check(page.locator("#since").inner_text() != before, "the page goes on by itself")
    check(not page.faults, f"after use: {page.faults}")
    print("status: paging, sorting, search, chart, retry and going on by itself: fine")


def report(browser, file, pictures):
    for scheme in ["light", "dark"]:
        for width in WIDTHS:
            page = open_view(browser, pathlib.Path(file).resolve().as_uri(), width, scheme)
            check(page.locator("h1").count() == 1, "one heading")
            check(page.locator("img").count() > 0, "pictures")
            broken = "() => [...document.images].filter((i) => !i.complete || i.naturalWidth === 0).length"
            check(page.evaluate(broken) == 0, "every picture can be shown")
            check_view(page, width, scheme, pictures, "report")
            page.context.close()


def main():
    kind, address, pictures = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    pictures.mkdir(parents=True, exist_ok=True)
    program = shutil.which("chromium") or sys.exit("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        {"status": status_page, "bare": bare_page, "report": report}[kind](browser, address, pictures)
        browser.close()


if __name__ == "__main__":
    main()
