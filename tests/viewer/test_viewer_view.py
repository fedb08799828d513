"""Tests of the folder that the viewer writes, its sounds, and the command."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from brain2music.cli import app
from brain2music.core.checks import InputError
from brain2music.viewer import serve_study, view, write_static

ROOT = Path(__file__).parents[2]


def listing(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def static(made, tmp_path_factory):
    """Return the static viewer of the planted results, with sound."""
    before = listing(made.out)
    written = write_static(made.out, tmp_path_factory.mktemp("static") / "viewer")
    assert listing(made.out) == before
    return written


def index_of(page):
    (text,) = re.findall(r'<script type="application/json" id="index">(.*?)<', page)
    return json.loads(text)


def test_a_static_folder_holds_its_data_in_the_page(static):
    assert static.from_disk
    assert not (static.folder / "data").exists()
    page = (static.folder / "index.html").read_text(encoding="utf-8")
    index = index_of(page)
    for name in {one["values"]["file"] for one in index["subjects"][0]["maps"]}:
        assert f'<script type="text/plain" id="data-{name}">' in page
    assert static.lines[-1] == f"open {static.folder / 'index.html'}"


def test_no_text_of_the_study_is_markup(static):
    page = (static.folder / "index.html").read_text(encoding="utf-8")
    for text in ("<script>document", "<img src=x", "<i>of the clips"):
        assert text not in page
    index = index_of(page)
    assert index["title"].startswith("Made & <script>")
    assert index["subjects"][0]["rois"][0]["name"].startswith("core <img")


def test_no_line_of_the_page_runs_by_itself(static):
    """All that runs is in files, as the page's policy asks for: no inline script."""
    page = (static.folder / "index.html").read_text(encoding="utf-8")
    kinds = re.findall(r"<script ([^>]*)>", page)
    loud = [k for k in kinds if "src=" not in k]
    assert all(
        k.startswith(('type="application/json"', 'type="text/plain"')) for k in loud
    )
    assert "script-src 'self'" in page
    for name in (
        *("data.js", "main.js", "panel.js", "cortex.js", "plots.js", "outlines.js"),
    ):
        text = (static.folder / name).read_text(encoding="utf-8")
        assert not re.search(
            r"\beval\b|innerHTML|outerHTML|new Function|https?://(?!www.w3.org)", text
        )


def test_nothing_of_the_machine_is_written(static, made):
    for path in static.folder.rglob("*"):
        if path.suffix in (".html", ".json"):
            assert str(made.out.parent) not in path.read_text(encoding="utf-8")


def test_each_clip_has_an_excerpt_of_its_sound(static):
    page = (static.folder / "index.html").read_text(encoding="utf-8")
    index = index_of(page)
    assert set(index["sounds"]) == set(index["subjects"][0]["clips"])
    for clip, name in index["sounds"].items():
        waveform, rate_hz = soundfile.read(static.folder / name)
        assert rate_hz == 16000
        assert abs(len(waveform) / rate_hz - 3.0) < 0.2
        track = int(clip.split(".")[1])
        spectrum = np.abs(np.fft.rfft(waveform))
        loudest_hz = np.argmax(spectrum) * rate_hz / len(waveform)
        assert abs(loudest_hz - (200 + 50 * track)) < 5


def test_a_folder_of_ours_is_written_anew_and_no_other(static, copied, tmp_path):
    again = write_static(copied, tmp_path / "viewer", sound=False)
    again = write_static(copied, tmp_path / "viewer", sound=False)
    assert again.n_bytes < static.n_bytes
    tables = {"identity": "x", "files": {}, "stage": "tables"}
    (copied / "tables/about.json").write_text(json.dumps(tables))
    with pytest.raises(InputError, match="holds the stage"):
        write_static(copied, copied / "tables")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    with pytest.raises(InputError, match="did not make it"):
        write_static(copied, tmp_path / "mine", sound=False)
    assert (tmp_path / "mine/letter.txt").read_text() == "dear"


def test_large_data_stay_beside_the_page_and_the_user_is_told(
    made, tmp_path, monkeypatch
):
    monkeypatch.setattr(view, "MOST_INLINE", 1000)
    written = write_static(made.out, tmp_path / "viewer", sound=False)
    assert not written.from_disk
    assert "http.server --bind 127.0.0.1" in written.lines[-1]
    assert (tmp_path / "viewer/data/maps-0.bin").is_file()
    assert 'id="data-' not in (tmp_path / "viewer/index.html").read_text()


@pytest.mark.slow
def test_a_whole_fsaverage5_takes_less_than_ten_megabytes(whole, tmp_path):
    written = write_static(whole.out, tmp_path / "viewer")
    sound = sum(p.stat().st_size for p in written.folder.glob("sounds/*")) / 1e6
    print(f"{written.n_bytes / 1e6:.2f} MB, of which sound {sound:.2f} MB")  # noqa: T201
    assert written.from_disk
    assert written.n_bytes < 10e6


def test_without_the_study_file_clips_have_names_alone(copied, tmp_path):
    (copied / "study/study.toml").unlink()
    written = write_static(copied, tmp_path / "viewer")
    index = index_of((written.folder / "index.html").read_text(encoding="utf-8"))
    assert index["sounds"] == {}
    assert "give --study" in index["sound_note"]


def test_a_study_without_sound_says_so(copied, tmp_path):
    path = copied / "study/study.toml"
    text = path.read_text()
    start, stop = text.index("[features.mel]"), text.index("[features.genre]")
    text = text[:start] + text[stop:]
    path.write_text(text.replace('["mel", "genre"]', '["genre"]'))
    written = write_static(copied, tmp_path / "viewer")
    index = index_of((written.folder / "index.html").read_text(encoding="utf-8"))
    assert index["sounds"] == {}
    assert "no feature space of this study is made from" in index["sound_note"]


def test_a_missing_sound_is_an_error_and_leaves_nothing(copied, tmp_path):
    (copied / "study/sound/blues.00001.wav").unlink()
    with pytest.raises(InputError, match=r"blues\.00001"):
        write_static(copied, tmp_path / "viewer")
    assert not any(tmp_path.glob("*viewer*"))


def test_the_server_writes_nothing_into_the_results(made):
    before = listing(made.out)
    with serve_study(made.out, sound=False) as server:
        served = set(server.files)
    assert listing(made.out) == before
    assert {"/", "/index.html", "/main.js", "/data/maps-1.bin"} <= served


def test_the_command_writes_a_folder(made, tmp_path):
    out = tmp_path / "viewer"
    words = ["view", str(made.out), "--static", str(out), "--no-sound"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert f"open {out / 'index.html'}" in result.output


@pytest.mark.slow
def test_the_command_serves_until_it_is_interrupted(made):
    # Background jobs of a shell ignore interrupts: the child must not inherit that.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heard}; from brain2music.cli import main; main()"
    words = [sys.executable, "-c", code, "view", str(made.out), "--no-sound"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        url = line.split()[0]
        with urllib.request.urlopen(url) as answer:
            assert b"brain2music view" in answer.read()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert url.startswith("http://127.0.0.1:")
    assert process.returncode == 0


def test_the_command_refuses_a_folder_that_is_no_study(tmp_path):
    result = CliRunner().invoke(app, ["view", str(tmp_path)])
    assert isinstance(result.exception, InputError)
    assert "holds no results of a study" in str(result.exception)


def test_the_vendored_file_is_the_one_that_is_written_down():
    from brain2music.core.artefacts import file_identity

    folder = ROOT / "viewer/assets/vendor"
    assert file_identity(folder / "three.min.js") in (folder / "README.md").read_text()
    assert "MIT License" in (folder / "three.LICENSE").read_text()
