"""Tests of fits on several processes."""

import os
import signal
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.core.cluster import Scheduler, job_script, open_client
from brain2music.core.ridge.candidates import structured_candidates
from brain2music.core.ridge.fold_gram import FoldGram, open_fold_gram
from brain2music.core.ridge.levers import Levers
from brain2music.core.ridge.plan import first_plan
from brain2music.core.ridge.search import Search
from brain2music.core.ridge.stream import SideBySide
from brain2music.core.spread import map_chunks, sample_on

cloudpickle = pytest.importorskip("cloudpickle")
pytest.importorskip("distributed")
pytestmark = pytest.mark.slow

# Workers cannot import a test file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

WIDTHS = (8, 30, 21)
LEVERS = Levers(margin=-0.5, n_refined=2, n_sampled=20)


@pytest.fixture
def study(rng):
    X = rng.standard_normal((100, 59)) @ (np.eye(59) + 0.1 * rng.random((59, 59)))
    Y = X @ rng.standard_normal((59, 37)) / 6 + rng.standard_normal((100, 37))
    X, Y = X.astype("float32"), Y.astype("float32")
    search = Search(np.logspace(0, 4, 5), structured_candidates(3, 8, 0), levers=LEVERS)
    engine = open_fold_gram(
        X,
        widths=WIDTHS,
        folds=np.repeat([0, 1, 2], [31, 44, 25]),
        search=search,
        dtype="float32",
    )
    Ys = {"01": Y[:, :23], "02": Y[:, 23:]}
    engine.sample(SideBySide(list(Ys.values())), 20, seed=0)
    return engine, Ys


def placed_on(client, engine, Ys, folder):
    """Return the engine with candidates placed by workers, in batches of 5 voxels."""
    plan = first_plan(engine.search.candidates)
    engine = replace(engine, plan=plan)
    sample_on(client, engine, SideBySide(list(Ys.values())), 0, size=5, folder=folder)
    return engine


def joint(pause_s=0.0):
    """Return work for a worker: inside a function, it travels by its code."""

    def work(engine, Y):
        time.sleep(pause_s)
        model = engine.fit(Y).model()
        names = {"weights": "weights", "scores": "cv_scores", "alpha": "alphas"}
        return {key: getattr(model, name) for key, name in names.items()}

    return work


def gather(client, engine, Ys, folder, *, size=5, pause_s=0.0, meanwhile=None):
    found = {name: {} for name in Ys}
    for number, ((name, part), result) in enumerate(
        map_chunks(client, engine, Ys, joint(pause_s), size=size, folder=folder)
    ):
        found[name][part.start] = result
        if meanwhile is not None and number == 0:
            meanwhile()
    return {
        (name, key): np.concatenate(
            [parts[start][key] for start in sorted(parts)], axis=-1
        )
        for name, parts in found.items()
        for key in ("weights", "scores", "alpha")
    }


@pytest.fixture(scope="module")
def clients():
    with (
        open_client(Scheduler(n_workers=1)) as one,
        open_client(Scheduler(n_workers=2)) as two,
    ):
        yield one, two


def test_any_number_of_workers_gives_the_same_digits(study, clients, tmp_path):
    engine, Ys = study
    first, second = (
        gather(client, engine, Ys, tmp_path / str(number))
        for number, client in enumerate(clients)
    )
    for key in first:
        assert_array_equal(first[key], second[key])
    kept = list((tmp_path / "1").iterdir())
    assert len(kept) == 2 * len(engine.plan.candidates)  # each made once, and shared
    alone = engine.fit(Ys["02"]).model()
    assert_allclose(second["02", "weights"], alone.weights, atol=1e-5)
    assert_allclose(second["02", "scores"], alone.cv_scores, atol=1e-5)


def test_other_chunks_make_the_same_choices(study, clients, tmp_path):
    engine, Ys = study
    first, second = (
        gather(clients[1], engine, Ys, tmp_path / str(size), size=size)
        for size in (4, 100)
    )
    for name in Ys:
        assert_allclose(first[name, "scores"], second[name, "scores"], atol=1e-5)
        assert_allclose(first[name, "alpha"], second[name, "alpha"], rtol=1e-3)


def test_a_worker_killed_in_the_middle_changes_nothing(study, clients, tmp_path):
    engine, Ys = study
    expected = gather(clients[0], engine, Ys, tmp_path / "whole")
    client = clients[1]
    pids = client.run(os.getpid)
    victim = next(iter(pids.values()))
    found = gather(
        client,
        engine,
        Ys,
        tmp_path / "killed",
        pause_s=0.4,
        meanwhile=lambda: os.kill(victim, signal.SIGKILL),
    )
    assert victim not in client.run(os.getpid).values()
    for key in expected:
        assert_array_equal(found[key], expected[key])


def test_the_only_worker_killed_in_the_middle_changes_nothing(study, clients, tmp_path):
    engine, Ys = study
    expected = gather(clients[0], engine, Ys, tmp_path / "whole")
    victim = next(iter(clients[0].run(os.getpid).values()))
    found = gather(
        clients[0],
        engine,
        Ys,
        tmp_path / "killed",
        pause_s=0.2,
        meanwhile=lambda: os.kill(victim, signal.SIGKILL),
    )
    for key in expected:
        assert_array_equal(found[key], expected[key])


def test_candidates_are_placed_by_any_number_of_workers(study, clients, tmp_path):
    here, Ys = study
    plans = [
        placed_on(client, here, Ys, tmp_path / str(number)).plan
        for number, client in enumerate(clients)
    ]
    assert_array_equal(plans[0].candidates, plans[1].candidates)
    assert plans[0].rounds == plans[1].rounds == here.plan.rounds
    assert len(plans[0].candidates) > plans[0].n_common
    # In one batch here: the same but for the last digits.
    assert_allclose(plans[0].candidates, here.plan.candidates, atol=1e-3)
    whole = {tuple(path.name for path in (tmp_path / str(n)).iterdir()) for n in (0, 1)}
    assert len({frozenset(names) for names in whole}) == 1


def test_workers_may_come_late(study, tmp_path):
    engine, Ys = study
    with open_client(Scheduler(n_workers=1)) as client:
        client.cluster.scale(0)
        client.cluster.scale(1)

        def another():
            client.cluster.scale(2)
            client.wait_for_workers(2, timeout=120)

        found = gather(client, engine, Ys, tmp_path, pause_s=0.2, meanwhile=another)
        assert len(client.scheduler_info()["workers"]) == 2
    assert found["01", "weights"].shape[-1] == Ys["01"].shape[1]


@contextmanager
def empty_cluster():
    """Give a cluster without a worker, and a client that joined it."""
    from distributed import LocalCluster

    with (
        LocalCluster(
            n_workers=0,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
        ) as cluster,
        open_client(Scheduler(cluster.scheduler_address)) as client,
    ):
        yield cluster, client


def deadly(engine, deaths, *, n_deaths):
    """Return the engine with a candidate at which workers die, `n_deaths` times.

    Each death leaves a file in `deaths`. Inside a function, the class travels.
    """

    class Deadly(FoldGram):
        def factor(self, weights):
            here = len(list(deaths.iterdir()))
            if here < n_deaths and np.allclose(weights, self.plan.candidates[4]):
                (deaths / str(here)).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return FoldGram.factor(self, weights)

    deaths.mkdir()
    return Deadly(
        engine.design, engine.search, engine.plan, engine.factors, engine.backend
    )


def kept_in(folder):
    """Return the bytes of all whole factorisations in a folder, by name."""
    files = [path for path in folder.rglob("*.npy") if ".making" not in str(path)]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_only_worker_killed_while_factors_are_made_changes_nothing(
    study, clients, tmp_path
):
    engine, Ys = study
    engine = placed_on(clients[0], engine, Ys, tmp_path / "whole")
    expected = kept_in(tmp_path / "whole")
    assert len({name.split("/")[0] for name in expected}) == 2 * len(
        engine.plan.candidates
    )
    first = set(clients[0].run(os.getpid).values())
    mortal = deadly(engine, tmp_path / "deaths", n_deaths=2)
    mortal = placed_on(clients[0], mortal, Ys, tmp_path / "killed")
    assert_array_equal(mortal.plan.candidates, engine.plan.candidates)
    assert len(list((tmp_path / "deaths").iterdir())) == 2
    assert not first & set(clients[0].run(os.getpid).values())
    assert kept_in(tmp_path / "killed") == expected
    results = [
        gather(clients[0], engine, Ys, tmp_path / name) for name in ("whole", "killed")
    ]
    for key in results[0]:
        assert_array_equal(results[1][key], results[0][key])


def test_workers_that_die_again_and_again_are_told_of(
    study, clients, tmp_path, monkeypatch
):
    engine, Ys = study
    monkeypatch.setattr("brain2music.core.spread.N_RETRIES", 1)
    mortal = deadly(engine, tmp_path / "deaths", n_deaths=2)
    words = "workers were lost 2 times over the same work.*out of memory"
    with pytest.raises(InputError, match=words):
        placed_on(clients[0], mortal, Ys, tmp_path / "never")
    # Dask may take one more worker away, which it had given up before.
    assert 1 <= len(list((tmp_path / "deaths").iterdir())) <= 2
    monkeypatch.setattr("brain2music.core.spread.N_RETRIES", 0)
    mortal = deadly(engine, tmp_path / "more", n_deaths=1)
    with pytest.raises(InputError, match="workers were lost 1 times"):
        gather(clients[0], mortal, Ys, tmp_path / "nor this")


def test_a_worker_that_goes_while_the_engine_is_sent_changes_nothing(
    study, clients, tmp_path, monkeypatch
):
    engine, Ys = study
    expected = gather(clients[0], engine, Ys, tmp_path / "whole")
    real, lost = type(clients[0]).scatter, []

    def scatter(client, *data, **options):
        if len(lost) < 2:
            lost.append(data)
            raise OSError("closed")
        return real(client, *data, **options)

    monkeypatch.setattr(type(clients[0]), "scatter", scatter)
    found = gather(clients[0], engine, Ys, tmp_path / "lost")
    assert len(lost) == 2
    for key in expected:
        assert_array_equal(found[key], expected[key])


def test_a_fit_may_start_before_any_worker(study, clients, tmp_path):
    engine, Ys = study
    engine = placed_on(clients[0], engine, Ys, tmp_path / "whole")
    expected = gather(clients[0], engine, Ys, tmp_path / "whole")
    with empty_cluster() as (cluster, client):
        assert not client.scheduler_info()["workers"]
        Timer(1.5, cluster.scale, [1]).start()
        placed_on(client, engine, Ys, tmp_path / "late")
    assert kept_in(tmp_path / "late") == kept_in(tmp_path / "whole")
    with empty_cluster() as (cluster, client):
        Timer(1.5, cluster.scale, [2]).start()
        found = gather(client, engine, Ys, tmp_path / "late")
    for key in expected:
        assert_array_equal(found[key], expected[key])


def test_workers_that_never_come_are_told_of(study, tmp_path, monkeypatch):
    monkeypatch.setattr("brain2music.core.spread.WAIT_S", 0.5)
    with (
        empty_cluster() as (_, client),
        pytest.raises(InputError, match=r"no worker has come in .*machine.slurm"),
    ):
        placed_on(client, *study, tmp_path)


def test_a_scheduler_that_does_not_answer_is_named():
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(InputError, match=r"no Dask scheduler answers at tcp://127"),
        open_client(Scheduler("tcp://127.0.0.1:9")),
    ):
        pass


def test_workers_open_mapped_files_by_themselves(study, clients, tmp_path):
    engine, Ys = study
    np.save(tmp_path / "Y.npy", Ys["01"])
    mapped = np.load(tmp_path / "Y.npy", mmap_mode="r")
    first = gather(clients[1], engine, {"01": Ys["01"]}, tmp_path / "a")
    second = gather(clients[1], engine, {"01": mapped}, tmp_path / "b")
    view = gather(clients[1], engine, {"01": mapped[:, 5:]}, tmp_path / "c")
    np.save(tmp_path / "more.npy", np.vstack([Ys["01"][:7], Ys["01"]]))
    rows = np.load(tmp_path / "more.npy", mmap_mode="r")[7:]
    later = gather(clients[1], engine, {"01": rows}, tmp_path / "d")
    for key in first:
        assert_array_equal(first[key], second[key])
        assert_array_equal(first[key], later[key])
        assert_allclose(view[key], first[key][..., 5:], atol=1e-5)


def test_a_running_scheduler_is_joined_and_left_alone(study, clients, tmp_path):
    engine, Ys = study
    address = clients[1].scheduler.address
    assert "127.0.0.1" in address
    with open_client(Scheduler(address)) as client:
        found = gather(client, engine, Ys, tmp_path)
    assert found["02", "weights"].shape == (59, 14)
    assert clients[1].status == "running"


def test_the_job_script_is_shown_without_slurm():
    pytest.importorskip("dask_jobqueue")
    options = {"memory": "8GB", "walltime": "02:00:00", "account": "music"}
    script = job_script(Scheduler("slurm", 4, options))
    assert "#SBATCH -t 02:00:00" in script
    assert "#SBATCH -A music" in script
    assert "#SBATCH --mem=8G" in script
    assert "distributed.cli.dask_worker" in script
    assert not list(Path().glob("slurm-*"))


def test_schedulers_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="must be 'local', 'slurm' or an address"):
        Scheduler("everywhere")
    with pytest.raises(InputError, match=r"options of SLURM are given \(memory\)"):
        Scheduler("local", slurm={"memory": "1GB"})
    with (
        pytest.raises(InputError, match="needs the network interface"),
        open_client(Scheduler("slurm")),
    ):
        pass
