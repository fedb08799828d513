"""Tests of feature files from networks in a Python of their own."""

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose, assert_array_equal
from typer.testing import CliRunner

from brain2music.cli import app
from brain2music.core.checks import InputError
from brain2music.data.stimuli import shape_clip
from brain2music.export import export_captions, export_clips, read_clip_list
from brain2music.features.arrays import read_clip_table
from brain2music.features.windows import Windows, cut_windows

RATE = 24_000
WINDOWS = Windows(1.0, 0.5)


class Network:
    """Stands in for `Elsewhere`: the mean and the spread of each window."""

    def __init__(self, *layers):
        from brain2music.features.models import model_named

        self.layers = layers or (6,)
        self.model = model_named("muq-mulan" if layers == ("embedding",) else "muq")
        self.source, self.identity = "MuQ, here", f"here {layers}"

    def ask(self, array):
        if array.dtype.kind == "U":
            return np.array([[[len(text), 1.0] for text in array]], np.float32)
        both = np.stack([array.mean(1), array.std(1)], axis=1)
        return np.stack([both * (k + 1) for k in range(len(self.layers))])


@pytest.fixture
def studio(tmp_path, rng):
    """Give a folder of sounds and the list of their clips."""
    (tmp_path / "wav").mkdir()
    for name in ("blues", "jazz"):
        track = 0.1 * rng.standard_normal(6 * RATE)
        soundfile.write(tmp_path / "wav" / f"{name}.au", track, RATE, subtype="PCM_16")
    lines = ["clip,path,start_s,end_s", "b,wav/blues,1.0,4.2", "j,wav/jazz,2.5,5.7"]
    (tmp_path / "clips.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def run(studio, network, **options):
    return export_clips(
        studio / "clips.csv", studio / "out.npz", network=network, windows=WINDOWS,
        cache=studio / "cache", **options,
    )  # fmt: skip


def test_what_was_heard_is_what_is_embedded(studio):
    written, _ = run(studio, Network(), fade_s=0.4, rms=0.05)
    table = read_clip_table(*written)
    assert (table.clips, table.windows) == (("b", "j"), WINDOWS)
    assert table.source == "MuQ, here, layer 6"
    for row, (name, start) in zip(
        table.values, (("blues", 1.0), ("jazz", 2.5)), strict=True
    ):
        track, _ = soundfile.read(studio / "wav" / f"{name}.au")
        piece = track[round(start * RATE) :][: round(3.2 * RATE)]
        pieces = cut_windows(
            shape_clip(piece, RATE, fade_s=0.4, rms=0.05), RATE, WINDOWS
        )
        assert_allclose(row, np.stack([pieces.mean(1), pieces.std(1)], 1), atol=1e-6)


def test_each_layer_has_a_file_of_its_own(studio):
    written, _ = run(studio, Network(3, 9))
    assert [path.name for path in written] == ["out-layer-3.npz", "out-layer-9.npz"]
    three, nine = (read_clip_table(path) for path in written)
    assert_array_equal(2 * three.values, nine.values)
    assert (three.source, nine.source) == ("MuQ, here, layer 3", "MuQ, here, layer 9")


def test_captions_have_one_row_for_each_clip(tmp_path):
    (tmp_path / "c.csv").write_bytes("\ufeffID,DescEN\nb,slow blues\nj,jazz\n".encode())
    path = export_captions(
        tmp_path / "c.csv", tmp_path / "out.npz", network=Network("embedding"),
        id_column="ID", text_column="DescEN", cache=tmp_path / "cache",
    )  # fmt: skip
    table = read_clip_table(path)
    assert table.clips == ("b", "j")
    assert_array_equal(table.values[:, 0, 0], [10, 4])
    assert (table.windows, table.rate_hz, table.source) == (None, None, "MuQ, here")


def test_all_that_is_wrong_with_the_sound_comes_in_one_list(studio, rng):
    soundfile.write(studio / "wav" / "rock.wav", rng.standard_normal(99) / 9, 8000)
    lines = ["clip,path", "b,wav/blues", "n,wav/none", "r,wav/rock"]
    (studio / "clips.csv").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"(?s)2 of 3 clips.*- n: no sound.*- r: rock"):
        run(studio, Network())


def test_clips_of_one_table_have_as_many_windows(studio):
    lines = ["clip,path,start_s,end_s", "b,wav/blues,n/a,3", "j,wav/jazz,,"]
    (studio / "clips.csv").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"number of windows: 5 in b, 11 in j"):
        run(studio, Network())
    (studio / "clips.csv").write_text(f"{lines[0]}\nb,wav/blues,0,0.4")
    with pytest.raises(InputError, match=r"b: a clip of 0\.4 s is shorter than one"):
        run(studio, Network())


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            "clip,sound\na,b\n",
            r"c\.csv has 1 rows .* clip, sound; expected clip and pa",
        ),
        ("clip,path\n", r"c\.csv has 0 rows"),
        ("clip,path\na,b\na,c\n", r"1 clips come twice, the first 'a'"),
        ("clip,path,end_s\na,b,late\n", r"row 2: end_s is 'late', expected seconds"),
    ],
)
def test_says_what_is_wrong_with_a_list(tmp_path, text, match):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(InputError, match=match):
        read_clip_list(tmp_path / "c.csv")


def test_the_command_writes_what_the_functions_do(studio, monkeypatch):
    opened = []

    class Opened(Network):
        def __init__(self, model, **options):
            super().__init__(*(["embedding"] if model == "muq-mulan" else [3, 9]))
            opened.append((model, options["layers"], options["device"]))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr("brain2music.cli.Elsewhere", Opened)
    monkeypatch.setenv("XDG_CACHE_HOME", str(studio / "home"))
    common = ["--python", "p", "--quiet"]
    done = CliRunner().invoke(
        app,
        ["features", "export", str(studio / "clips.csv"), str(studio / "o.npz"),
         "--model", "muq", "--layer", "3", "--layer", "9", "--window", "1",
         "--step", "0.5", "--fade", "0.4", "--rms", "0.05", *common],
        catch_exceptions=False,
    )  # fmt: skip
    assert done.exit_code == 0
    assert "o-layer-3.npz" in done.output
    by_hand, _ = run(studio, Network(3, 9), fade_s=0.4, rms=0.05)
    for path, name in zip(by_hand, ("o-layer-3.npz", "o-layer-9.npz"), strict=True):
        made, expected = read_clip_table(studio / name), read_clip_table(path)
        assert_array_equal(made.values, expected.values)
        assert made.windows == WINDOWS
    (studio / "captions.csv").write_text("clip,caption\nb,slow blues\n")
    done = CliRunner().invoke(
        app,
        ["features", "export", str(studio / "captions.csv"), str(studio / "t.npz"),
         "--captions", "--model", "muq-mulan", *common],
        catch_exceptions=False,
    )  # fmt: skip
    assert done.exit_code == 0
    assert read_clip_table(studio / "t.npz").values[0, 0, 0] == 10
    assert opened == [("muq", [3, 9], "auto"), ("muq-mulan", None, "auto")]
