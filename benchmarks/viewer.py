"""Times the viewer of a study in headless Chromium, and weighs its static folder.

python benchmarks/viewer.py DIR

DIR holds results of a study. Prints the size of the folder, and how long it takes from
the start of the page to its data (load) and from there to the first cortex (draw),
without a graphics card. Ends with 1 if a limit is missed or the console shows an error.
"""

import argparse
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from brain2music.viewer import serve_study, write_static

MOST_MB, MOST_S, N_LOADS = 10.0, 10.0, 3
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--window-size=1400,1000",
)
TIMES = """
const d = document.documentElement.dataset;
return d.drawMs === undefined ? null : [+d.loadMs, +d.drawMs];
"""


def browser() -> webdriver.Chrome:
    """Start headless Chromium."""
    options = webdriver.ChromeOptions()
    names = ("chromium", "chromium-browser", "google-chrome")
    options.binary_location = next(filter(None, map(shutil.which, names)))
    for option in OPTIONS:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    return webdriver.Chrome(options, service)


def sizes_mb(folder: Path) -> tuple[float, float]:
    """Return what pages and data weigh, and what sounds weigh."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    sound = sum(p.stat().st_size for p in files if p.suffix == ".mp3")
    return sum(p.stat().st_size for p in files) / 1e6 - sound / 1e6, sound / 1e6


def timed(url: str) -> tuple[list[float], list[str]]:
    """Return the best load and draw, in s, of several new browsers, and any errors."""
    times, errors = [], []
    for _ in range(N_LOADS):
        driver = browser()
        try:
            driver.get(url)
            wait = WebDriverWait(driver, 120, poll_frequency=0.05)
            times.append(wait.until(lambda d: d.execute_script(TIMES)))
            said = [line["message"] for line in driver.get_log("browser")]
            errors += [text for text in said if "GPU stall" not in text]
        finally:
            driver.quit()
    return [ms / 1000 for ms in min(times, key=sum)], errors


def say(text: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")


def main() -> int:
    """Print sizes and times; return 1 if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    out = parser.parse_args().folder
    missed = []
    with tempfile.TemporaryDirectory() as temporary:
        written = write_static(out, Path(temporary) / "viewer")
        data, sound = sizes_mb(written.folder)
        say(f"static folder: {data:.2f} MB, and {sound:.2f} MB of excerpts (MP3)")
        if data + sound > MOST_MB:
            missed.append(f"the folder is larger than {MOST_MB:g} MB")
        places = {"from disk": (written.folder / "index.html").as_uri()}
        with serve_study(out) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            places["served"] = server.url
            for name, url in places.items():
                (load, draw), errors = timed(url)
                busy = f"load of the machine {os.getloadavg()[0]}"
                times = f"load {load:.2f} s, draw {draw:.2f} s"
                say(f"{name}: {times} (best of {N_LOADS}; {busy})")
                missed += errors
                if load + draw > MOST_S:
                    missed.append(f"{name}: more than {MOST_S:g} s")
            server.shutdown()
            thread.join()
    say("\n".join(missed or ["every limit is kept, and the console is silent"]))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
