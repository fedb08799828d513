"""Tests of opening pretrained weights."""

import builtins
import json
import os
import pickle
import shutil

import numpy as np
import pytest

from brain2music.core.checkpoints import (
    check_weights,
    convert_weights,
    find_folder,
    folder_identity,
    libraries,
    open_checkpoint,
    quiet,
    untrained_twin,
)
from brain2music.core.checks import InputError, MissingFileError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture
def folder(tiny, tmp_path):
    """Return a small HuBERT that a test may spoil."""
    return shutil.copytree(tiny("hubert"), tmp_path / "hubert")


def as_bin(folder, *, change=None):
    """Turn a folder's safetensors into a .bin, and return the weights."""
    from safetensors.torch import load_file

    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    weights = change(weights) if change else weights
    torch.save(weights, folder / "pytorch_model.bin")
    return weights


def test_opens_in_eval_mode_without_gradients(folder):
    network, notes = open_checkpoint(folder, transformers.HubertModel)
    assert notes == []
    assert not any(module.training for module in network.modules())
    assert not any(p.requires_grad for p in network.parameters())
    assert {p.dtype for p in network.parameters()} == {torch.float32}


def test_half_precision_on_disk_is_computed_in_float32(folder):
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    half = {k: v.half() for k, v in load_file(path).items()}
    save_file(half, path, metadata={"format": "pt"})
    network, _ = open_checkpoint(folder, transformers.HubertModel)
    assert {p.dtype for p in network.parameters()} == {torch.float32}


def test_refuses_weights_that_leave_part_of_the_network_random(folder):
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    weights = load_file(path)
    lost = [k for k in weights if k.startswith("encoder.layers.1.")]
    save_file(
        {k: v for k, v in weights.items() if k not in lost},
        path,
        metadata={"format": "pt"},
    )
    with pytest.raises(InputError, match=rf"{len(lost)} are missing .* stay random"):
        open_checkpoint(folder, transformers.HubertModel)


def test_refuses_weights_of_another_size(folder):
    config = json.loads((folder / "config.json").read_text())
    config["hidden_size"] = 64
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"cannot be loaded|another size"):
        open_checkpoint(folder, transformers.HubertModel)


def test_says_which_weights_have_no_place(folder):
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    weights = load_file(path) | {"lm_head.weight": torch.zeros(3, 32)}
    save_file(weights, path, metadata={"format": "pt"})
    _, notes = open_checkpoint(folder, transformers.HubertModel)
    assert notes == [
        "1 weights of hubert have no place in the network and were left out: "
        "lm_head.weight."
    ]


def test_a_missing_mask_vector_does_not_matter(folder):
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    weights = load_file(path)
    assert weights.pop("masked_spec_embed") is not None
    save_file(weights, path, metadata={"format": "pt"})
    open_checkpoint(folder, transformers.HubertModel)


def test_a_bin_is_not_read_and_the_command_is_named(folder):
    as_bin(folder)
    with pytest.raises(InputError, match="brain2music weights convert"):
        open_checkpoint(folder, transformers.HubertModel)


def test_no_weights_at_all_is_said(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(MissingFileError, match="no weights"):
        check_weights(folder)


def test_a_folder_without_config_is_no_checkpoint(tmp_path):
    with pytest.raises(MissingFileError, match=r"has no config\.json"):
        find_folder(tmp_path)
    with pytest.raises(MissingFileError, match=r"has no config\.json"):
        find_folder(tmp_path / "nowhere")


def test_what_is_not_in_the_cache_is_not_fetched():
    with pytest.raises(MissingFileError, match=r"hf download someone/something"):
        find_folder("someone/something")
    with pytest.raises(MissingFileError, match=r"at revision 'v2' .* my hint"):
        find_folder("someone/something", revision="v2", hint="my hint")
    with pytest.raises(MissingFileError, match=r"no id of a checkpoint"):
        find_folder("a/b/c/d")


def test_a_checkpoint_in_the_hub_cache_is_found(folder, tmp_path, monkeypatch):
    commit = "0" * 40
    home = tmp_path / "hub" / "models--someone--something"
    shutil.copytree(folder, home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(
        "huggingface_hub.file_download.HF_HUB_CACHE",
        str(tmp_path / "hub"),
        raising=False,
    )
    found = find_folder("someone/something")
    assert found == home / "snapshots" / commit
    open_checkpoint(found, transformers.HubertModel)


def test_a_package_is_searched_without_running_it(folder, tmp_path, monkeypatch):
    package = tmp_path / "packed_weights_of_test"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('this was run')")
    shutil.copytree(folder, package / "model")
    monkeypatch.syspath_prepend(tmp_path)
    assert find_folder("no/such", package=package.name) == package / "model"
    with pytest.raises(MissingFileError):
        find_folder("no/such", package="no_such_package_at_all")


def test_a_converted_bin_gives_the_same_network(folder):
    before, _ = open_checkpoint(folder, transformers.HubertModel)
    content = as_bin(folder)
    original = (folder / "pytorch_model.bin").read_bytes()
    path = convert_weights(folder)
    assert path == folder / "model.safetensors"
    assert (folder / "pytorch_model.bin").read_bytes() == original
    after, _ = open_checkpoint(folder, transformers.HubertModel)
    assert len(content) > 10
    for a, b in zip(before.parameters(), after.parameters(), strict=True):
        assert torch.equal(a, b)


def test_tensors_that_share_memory_are_written_each(folder):
    def share(weights):
        whole = torch.arange(24.0).reshape(4, 6)
        tied = {"a": whole, "b": whole, "c": whole[1:3], "d": whole.T}
        return weights | tied

    as_bin(folder, change=share)
    from safetensors.torch import load_file

    found = load_file(convert_weights(folder))
    whole = np.arange(24.0).reshape(4, 6)
    for name, expected in {
        "a": whole,
        "b": whole,
        "c": whole[1:3],
        "d": whole.T,
    }.items():
        np.testing.assert_array_equal(found[name].numpy(), expected)


def test_a_bin_in_parts_is_put_together(folder):
    weights = as_bin(folder)
    (folder / "pytorch_model.bin").unlink()
    names = sorted(weights)
    parts = {"a.bin": names[::2], "b.bin": names[1::2]}
    for name, keys in parts.items():
        torch.save({key: weights[key] for key in keys}, folder / name)
    index = {"weight_map": {key: name for name, keys in parts.items() for key in keys}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    convert_weights(folder)
    open_checkpoint(folder, transformers.HubertModel)
    (folder / "model.safetensors").unlink()
    (folder / "b.bin").unlink()
    with pytest.raises(MissingFileError, match=r"no b\.bin"):
        convert_weights(folder)


class Evil:
    """Writes a file when it is unpickled by a careless reader."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("by", ["torch", "pickle"])
def test_a_bin_that_would_run_code_does_not(folder, tmp_path, by):
    (folder / "model.safetensors").unlink()
    trap = {"weight": Evil(tmp_path / "ran")}
    path = folder / "pytorch_model.bin"
    torch.save(trap, path) if by == "torch" else path.write_bytes(
        pickle.dumps(trap, protocol=2)
    )
    with pytest.raises(InputError, match="more than tensors"):
        convert_weights(folder)
    assert not (tmp_path / "ran").exists()
    assert not (folder / "model.safetensors").exists()


def test_a_training_state_is_not_taken_for_weights(folder):
    as_bin(folder, change=lambda weights: {"model": weights, "step": 3})
    with pytest.raises(InputError, match="no plain table of named tensors"):
        convert_weights(folder)


def test_conversion_overwrites_nothing(folder, tmp_path):
    with pytest.raises(InputError, match="safetensors already"):
        convert_weights(folder)
    with pytest.raises(MissingFileError, match=r"no pytorch_model\.bin"):
        convert_weights(tmp_path)


def test_an_untrained_twin_has_the_same_shape_and_other_weights(folder):
    trained, _ = open_checkpoint(folder, transformers.HubertModel)
    state = torch.random.get_rng_state()
    twin, again, other = (untrained_twin(trained, seed) for seed in (5, 5, 6))
    assert torch.equal(torch.random.get_rng_state(), state)
    pairs = list(
        zip(trained.state_dict().items(), twin.state_dict().items(), strict=True)
    )
    assert all(a[0] == b[0] and a[1].shape == b[1].shape for a, b in pairs)
    name = "encoder.layers.0.attention.q_proj.weight"
    assert torch.equal(twin.state_dict()[name], again.state_dict()[name])
    assert not torch.equal(twin.state_dict()[name], other.state_dict()[name])
    assert not torch.equal(twin.state_dict()[name], trained.state_dict()[name])
    assert not any(module.training for module in twin.modules())


def test_identity_follows_content_and_not_place(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "elsewhere")
    assert folder_identity(folder, weights=True) == folder_identity(copy, weights=True)
    settings = folder_identity(copy, weights=False)
    data = bytearray((copy / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (copy / "model.safetensors").write_bytes(bytes(data))
    assert folder_identity(folder, weights=True) != folder_identity(copy, weights=True)
    assert folder_identity(copy, weights=False) == settings
    (copy / "preprocessor_config.json").write_text("{}")
    assert folder_identity(copy, weights=False) != settings


def test_missing_torch_is_said_in_plain_words(monkeypatch):
    real = builtins.__import__

    def without_torch(name, *args, **kwargs):
        if name == "torch":
            raise ImportError("no torch", name="torch")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    with pytest.raises(InputError, match=r"pip install 'brain2music\[models\]'"):
        libraries()


def test_the_libraries_settings_are_put_back():
    from transformers.utils import logging

    before = logging.get_verbosity()
    with quiet():
        assert logging.get_verbosity() == logging.ERROR
        assert not logging.is_progress_bar_enabled()
    assert logging.get_verbosity() == before
    assert logging.is_progress_bar_enabled()
