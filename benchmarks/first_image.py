"""From the submitted sign-in to the first image painted, beside the obvious Streamlit page.

    python -m benchmarks.first_image --count 10 --images 100000

Ours runs from the `submit` event of the sign-in form: the password hash, Streamlit's page, the viewer, a claim and the
pixels. The obvious page has no sign-in: its time runs from the start of the navigation to its picture. Both in a real
browser with an empty cache each time.
"""

import numpy as np
from playwright.sync_api import Browser

from benchmarks.browser import bench, our_server, parse_arguments, sign_in, streamlit_server

# Looks once a frame; the time is taken in the first task after the frame that shows the image.
WATCH = """
  window.paintedAt = null;
  window.addEventListener("submit", () => sessionStorage.setItem("submitted", Date.now()), true);
  const isShown = () => {
    if (document.querySelector("[data-testid=stImage] img")?.complete) return true;
    const host = [...document.querySelectorAll("*")].find((node) => node.shadowRoot?.querySelector(".room"));
    return Boolean(host?.shadowRoot.querySelector(".room").dataset.shown);
  };
  const look = () => {
    if (!isShown()) return requestAnimationFrame(look);
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => { window.paintedAt = Date.now(); };
      channel.port2.postMessage(0);
    });
  };
  requestAnimationFrame(look);
"""
SINCE = "window.paintedAt - Number(sessionStorage.getItem('submitted') ?? performance.timeOrigin)"


def open_once(browser: Browser, url: str) -> float:
    """Milliseconds to the first image, signing in where the page asks for it."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(url)
    if "sign-in" in url:
        sign_in(page)
        page.wait_for_url(lambda there: "sign-in" not in there, timeout=60_000)
    page.wait_for_function("() => window.paintedAt !== null", timeout=60_000)
    elapsed: float = page.evaluate(SINCE)
    context.close()
    return elapsed


def main() -> None:
    """Measure both and print a Markdown table; the first opening after the start of a server is left out."""
    arguments = parse_arguments(__doc__, count=10, images=100_000)
    with bench(arguments.images) as (browser, project):
        with our_server(project) as url:
            ours = [open_once(browser, f"{url}/rounds/sign-in") for _ in range(arguments.count + 1)][1:]
        with streamlit_server(project, "obvious_page.py") as url:
            obvious = [open_once(browser, url) for _ in range(arguments.count + 1)][1:]
    print(f"| to the first image painted in {arguments.count} fresh profiles, ms | p50 | p95 | max |")
    print("|---|---|---|---|")
    for name, times in (
        ("Rounds, from the submitted sign-in", ours),
        ("st.image, no sign-in, from navigation", obvious),
    ):
        p50, p95 = np.percentile(times, [50, 95])
        print(f"| {name} | {p50:.0f} | {p95:.0f} | {max(times):.0f} |")
    print(f"\nratio of medians, Rounds / obvious: {np.median(ours) / np.median(obvious):.2f}")


if __name__ == "__main__":
    main()
