"""What a user gets wrong ends in one sentence, exit code 2 and a folder as it was."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calrun.errors import sentence
from calrun.folder.claim import Claim
from calrun.places import options

Refusal = Callable[..., str]
GROUPS = list(options())


@pytest.fixture
def refused(refusal: Refusal, small: tuple[str, ...], tmp_path: Path) -> Refusal:
    """Plays a small run that must be refused before its folder is made."""

    def run(*overrides: str, base: tuple[str, ...] = small) -> str:
        line = refusal("run", *base, *overrides)
        assert not list(tmp_path.glob("outputs/**/rounds.jsonl"))
        assert not list(tmp_path.glob("outputs/**/config.yaml"))
        return line

    return run


# --- options and values ---


@pytest.mark.parametrize("group", GROUPS)
def test_an_unknown_option_lists_the_legal_ones(group: str, refusal: Refusal) -> None:
    line = refusal("run", f"{group}=banana")
    assert f"{group}=banana is no option; choose one of: " in line
    assert line.endswith(", ".join(options(group)[group]))


@pytest.mark.parametrize(
    ("override", "legal"),
    [("sed=3", "seed"), ("trainer.max_epoch=3", "max_epochs"), ("model.hiden=[3]", "hidden"), ("nogroup=al", "method")],
)
def test_an_unknown_key_lists_the_ones_beside_it(override: str, legal: str, refused: Refusal) -> None:
    line = refused(override)
    assert f"{override.split('=')[0]} is no option" in line
    assert legal in line


@pytest.mark.parametrize("option", ["banana", ""])
def test_an_unknown_launcher_lists_the_legal_ones_too(option: str, refusal: Refusal) -> None:
    line = refusal("run", f"hydra/launcher={option}")
    assert f"hydra/launcher={option} is no option; choose one of: " in line
    assert "processes, slurm" in line


@pytest.mark.parametrize(
    ("override", "key"),
    [("dataset=npz", "dataset.path"), ("budget=counts", "budget.start"), ("method=_cal", "method: missing a required")],
)
def test_a_choice_that_only_the_user_can_make_is_asked_for(override: str, key: str, refusal: Refusal) -> None:
    line = refusal("run", override)
    assert f"{key} has no value yet; add {key}=..." in line or f"{key} argument: 'objective'" in line


def test_a_group_that_is_taken_away_is_asked_for(refused: Refusal) -> None:
    line = refused("~acquisition")
    assert "a run wants acquisition, but it is taken away; leave ~acquisition out and choose one of: activeft" in line


def test_a_yaml_that_cannot_be_read_is_named(tmp_path: Path, refused: Refusal) -> None:
    (tmp_path / "conf" / "acquisition").mkdir(parents=True)
    path = tmp_path / "conf" / "acquisition" / "broken.yaml"
    path.write_text("a: [1")
    line = refused("--config-dir", str(tmp_path / "conf"), "acquisition=broken")
    assert f"{path}" in line


def test_an_override_that_is_none_is_explained(refused: Refusal) -> None:
    assert "'seed'" in refused("seed")


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("trainer.max_epochs=0", "trainer.max_epochs wants a whole number of at least 1, got 0"),
        ("trainer.cal_epochs=0", "trainer.cal_epochs wants a whole number of at least 1, got 0"),
        ("trainer.batch_size=0", "trainer.batch_size wants a whole number of at least 1, got 0"),
        ("trainer.batch_size=many", "trainer.batch_size wants a whole number of at least 1, got 'many'"),
        ("trainer.num_threads=0", "trainer.num_threads wants a whole number of at least 1, got 0"),
        ("trainer.checkpoint_every_seconds=often", "trainer.checkpoint_every_seconds wants a number"),
        ("seed=-1", "seed wants a whole number of at least 0, got -1"),
        ("seed_set_seed=x", "seed_set_seed wants a whole number of at least 0, got 'x'"),
        ("budget.rounds=0", "budget.rounds wants a whole number of at least 1, but is 0"),
        ("budget.start=0", "budget.start wants a whole number of at least 1, but is 0"),
        ("val_fraction=1.5", "val_fraction wants a number from 0 up to 1"),
        ("val_fraction=0.001", "val_fraction 0.001 of 200 rows is no row; set it to 0.005 or more, or to 0"),
        ("val_fraction=-0.1", "val_fraction wants a number of at least 0, got -0.1"),
        ("dataset.transform.mean=[1,2]", "dataset.transform.mean has 2 numbers, but the inputs have 1 channels"),
        ("dataset.num_train=0", "dataset=digits wants num_train from 10 to 1,787"),
        ("dataset.num_train=1797", "dataset=digits wants num_train from 10 to 1,787"),
        ("scale=0", "scale one above 0"),
        ("optimizer.lr=-1", "optimizer.lr wants a finite learning rate above 0"),
        ("budget.start=500", "the budget wants 500 labels in round 1 of 3, but the pool has 200 rows"),
    ],
)
def test_a_number_that_cannot_be_is_named_with_what_was_wanted(override: str, wanted: str, refused: Refusal) -> None:
    assert wanted in refused(override)


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("optimizer.lr=fast", "optimizer.lr wants a number, got 'fast'"),
        (
            "optimizer.schedule=cosine",
            "optimizer.schedule wants an object (keys with a _target_) or null, got 'cosine'",
        ),
        ("stop.max_epochs=x", "stop.max_epochs wants a whole number, got 'x'"),
        ("model.hidden=64", "model.hidden wants a list in which each is a whole number, got 64"),
        ("dataset.transform.flip=maybe", "dataset.transform.flip wants true or false, got 'maybe'"),
        ("trainer.channels_last=maybe", "trainer.channels_last wants true or false, got 'maybe'"),
        ("trainer.deterministic=maybe", "trainer.deterministic wants True or False or 'warn', got 'maybe'"),
        ("trainer.lightning=3", "trainer.lightning wants keys with values or null, got 3"),
        ("logger=wandb logger.mode=maybe", "logger.mode wants 'online' or 'offline' or 'disabled', got 'maybe'"),
        ("record.keep_states=maybe", "record.keep_states wants true or false, got 'maybe'"),
        ("method.objective=x", "method.objective wants an object (keys with a _target_), got 'x'"),
        ("+method.foo=3", "method.foo is no option; method as chosen has: objective, optimizer, parts"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_with_what_was_wanted(override: str, wanted: str, refused: Refusal) -> None:
    assert wanted in refused(*override.split())


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("trainer.accelerator=banana", "Lightning refuses"),
        ("+trainer.lightning.banana=1", "Lightning refuses"),
        ("+trainer.lightning.gradient_clip_val=1.0", "trainer.lightning sets gradient_clip_val"),
        ("trainer.devices=3", "set trainer.devices to 1"),
    ],
)
def test_what_lightning_cannot_do_is_said_before_the_first_fit(override: str, wanted: str, refused: Refusal) -> None:
    assert wanted in refused(override)


# --- options that cannot work together ---


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        (["method.visit.replay_size=40"], "method.visit.replay_size is no option"),
        (["+method.visit.replay_size=40"], "method.visit.replay_size is no option; method.visit as chosen has: none"),
        (
            ["method.visit._target_=calrun.method.visit.Replay", "+method.visit.replay_size=40"],
            "the method replays 40 old rows a step, but each round starts from weights that never saw them",
        ),
    ],
)
def test_replay_with_cold_starts_is_refused(overrides: list[str], wanted: str, refused: Refusal) -> None:
    assert wanted in refused("method=al", *overrides)


def test_early_stopping_wants_a_validation_split(refused: Refusal) -> None:
    assert "looks at a validation split, but this data set has none" in refused("stop=early_stopping")


@pytest.mark.parametrize("acquisition", ["bald", "batch_bald"])
def test_monte_carlo_dropout_wants_a_network_with_dropout(acquisition: str, refused: Refusal) -> None:
    assert "wants a network with dropout, but this model has none" in refused(f"acquisition={acquisition}")


def test_vaal_wants_pictures(tmp_path: Path, refused: Refusal) -> None:
    line = refused("acquisition=vaal", base=archive(tmp_path))
    assert "vaal looks at pictures, but a row here is 5 numbers; choose another acquisition" in line


@pytest.mark.parametrize(
    "method", ["finetune_new", "cal_der", "cal_sd", "cal_sds2", "cal_mir method.visit.replay_size=5"]
)
def test_batchnorm_wants_more_than_one_new_row_before_the_first_fit(method: str, refused: Refusal) -> None:
    line = refused(*f"method={method}".split(), "model=cnn", "budget.step=1")
    assert "round 2 of 3 would train on one new row, and the model's BatchNorm cannot normalise one row; " in line
    assert "let the budget buy 2 rows or more for each round (its start and its step)" in line


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("trainer.batch_size=1",), "round 1 of 3 would train on one new row at a time (trainer.batch_size)"),
        (("budget.start=1", "budget.step=9"), "round 1 of 3 would train on one new row"),
        (
            ("method=cal_der", "method.visit.replay_size=1"),
            "round 2 of 3 would replay one row a step, and the model's BatchNorm cannot normalise one row; "
            "raise method.visit.replay_size above 1",
        ),
        (("method=finetune_new", "scale=0.5", "budget.step=2"), "round 2 of 3 would train on one new row"),
    ],
)
def test_a_pass_of_one_row_is_named(words: tuple[str, ...], wanted: str, refused: Refusal) -> None:
    assert wanted in refused("model=cnn", *words)


@pytest.mark.parametrize(
    "words",
    [
        ("model=cnn", "method=cal_er"),  # new and replayed rows go together
        ("model=mlp", "method=cal_der"),  # no BatchNorm
        ("model=cnn", "method=linear_probe", "budget.start=1"),  # frozen
        ("model=cnn", "method=al", "trainer.batch_size=20"),  # a left-over row joins the step before it
        ("model=resnet18", "model.width=2", "dataset.transform.crop_padding=0", "method=al_ws"),
    ],
)
def test_rounds_that_buy_one_row_play_where_no_pass_is_of_one(words: tuple[str, ...], play: Callable[..., Any]) -> None:
    answer = play("trainer.max_epochs=1", "trainer.cal_epochs=1", "budget.step=1", "budget.rounds=2", *words)
    assert answer.code == 0, answer


def test_a_step_of_one_row_that_only_a_fit_finds_names_start_and_step_too() -> None:
    said = sentence(ValueError("Expected more than 1 value per channel when training, got input size [1, 64]"))
    assert "let the budget buy 2 rows or more for each round (its start and its step)" in said


def test_several_conflicts_are_reported_together(refused: Refusal) -> None:
    line = refused("stop=early_stopping", "acquisition=bald", "budget.start=5000")
    problems = line.split("; also: ")
    assert len(problems) == 3
    for word, problem in zip(("dropout", "validation split", "5,000 labels"), problems, strict=True):
        assert word in problem


EARLY = {
    "trainer.batch_size=0": "trainer.batch_size wants a whole number of at least 1, got 0",
    "acquisition.memory_gib=-1": "acquisition.memory_gib wants a number of at least 0.001, got -1",
    "record.energy=maybe": "record.energy wants true or false, got 'maybe'",
    "acquisition.first=3": "acquisition.first wants 'argmax_norm' or 'uniform', got 3",
    "+acquisition.batch=3": "acquisition.batch is no option",
    "trainer.predict_precision=64-true": "trainer.predict_precision=64-true is none of 32-true",
    "+trainer.lightning.max_steps=2": "trainer.lightning sets max_steps, but a fit ends when",
    "budget.rounds=0": "budget.rounds wants a whole number of at least 1, but is 0",
}


def test_what_needs_no_network_is_refused_all_at_once_and_before_torch_is_imported(
    small: tuple[str, ...], tmp_path: Path
) -> None:
    script = "import sys; from calrun.cli import main\ntry: main()\nfinally: print(*sys.modules)"
    words = ["run", *small, "acquisition=badge", *EARLY, f"paths.outputs={tmp_path}"]
    ended = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended.stderr
    problems = ended.stderr.removeprefix("calrun: ").split("; also: ")
    assert len(problems) == len(EARLY), problems
    assert not [wanted for wanted in EARLY.values() if not any(each.startswith(wanted) for each in problems)], problems
    assert not {"torch", "numpy", "pytorch_lightning", "sklearn"} & set(ended.stdout.split())


def test_a_step_of_several_slurm_tasks_is_refused(monkeypatch: pytest.MonkeyPatch, refused: Refusal) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    assert "SLURM started 4 tasks of this step" in refused()


@pytest.mark.parametrize(("of_job", "of_step"), [("", ""), ("8", None), ("8", ""), ("8", "1"), ("8", "all")])
def test_one_process_in_a_larger_slurm_allocation_plays(
    of_job: str, of_step: str | None, monkeypatch: pytest.MonkeyPatch, play: Callable[..., Any]
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_NTASKS", of_job)
    if of_step is not None:
        monkeypatch.setenv("SLURM_STEP_NUM_TASKS", of_step)
    answer = play("budget.rounds=1", "trainer.max_epochs=1")
    assert (answer.code, answer.err) == (0, "")


# --- data ---


def archive(folder: Path, **changes: np.ndarray) -> tuple[str, ...]:
    """An .npz data set of 60 vectors in 3 classes with changes; returns the overrides that choose it."""
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.normal(size=(60, 5)).astype(np.float32),
        "y_train": np.arange(60) % 3,
        "x_test": rng.normal(size=(12, 5)).astype(np.float32),
        "y_test": np.arange(12) % 3,
    }
    np.savez(folder / "data.npz", **(arrays | changes))
    return "dataset=npz", f"dataset.path={folder / 'data.npz'}", "trainer=cpu", "trainer.max_epochs=1"


def test_a_class_count_that_disagrees_with_the_labels_is_refused(tmp_path: Path, refused: Refusal) -> None:
    base = archive(tmp_path)
    assert "labels outside 0..1" in refused("dataset.num_classes=2", base=base)
    assert "the data set declares 5 classes" in refused("dataset.num_classes=5", base=base)
    line = refused(base=archive(tmp_path, y_test=np.arange(12) % 4))
    assert "split test has labels that no training row has ([3])" in line


def test_a_single_class_is_refused_before_the_first_fit(tmp_path: Path, refused: Refusal) -> None:
    base = archive(tmp_path, y_train=np.zeros(60, int), y_test=np.zeros(12, int))
    assert "the data set has 1 class, but a classifier tells at least 2 apart" in refused(base=base)


def test_nan_in_the_data_is_refused_with_its_rows(tmp_path: Path, refused: Refusal) -> None:
    x_train = np.zeros((60, 5), np.float32)
    x_train[[7, 9]] = np.nan
    line = refused(base=archive(tmp_path, x_train=x_train))
    assert "NaN or infinite values in 2 of 60 rows (first: [7, 9])" in line


def test_a_corrupt_archive_is_refused(tmp_path: Path, refused: Refusal) -> None:
    base = archive(tmp_path)
    path = tmp_path / "data.npz"
    path.write_bytes(path.read_bytes()[:400])
    assert f"{path} is no sound .npz archive" in refused(base=base)
    path.unlink()
    assert f"no file {path}" in refused(base=base)


def test_an_empty_picture_folder_is_refused(tmp_path: Path, refused: Refusal) -> None:
    base = ("dataset=image_folder", f"dataset.root={tmp_path}", "model.model_name=resnet18", "trainer=cpu")
    assert f"no folder {tmp_path}/train" in refused(base=base)
    (tmp_path / "train").mkdir()
    (tmp_path / "test").mkdir()
    assert "has no class folders" in refused(base=base)
    (tmp_path / "train" / "cat").mkdir()
    assert f"class folder {tmp_path}/train/cat has no pictures" in refused(base=base)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1\n2\n2\n900000\n", "it names 4, 3 of them distinct and 1 not in the pool (first: [900000])"),
        ("1\n2\n", "wants 20 distinct rows of the pool (the budget of round 1), but it names 2"),
        ("one\n", "cannot be read as row numbers"),
    ],
)
def test_initial_rows_from_a_wrong_file_are_refused(
    text: str, wanted: str, tmp_path: Path, small: tuple[str, ...], refusal: Refusal
) -> None:
    (tmp_path / "rows.txt").write_text(text)
    assert wanted in refusal("run", *small, "initial=file", f"initial.path={tmp_path / 'rows.txt'}")
    assert not list(tmp_path.glob("outputs/**/rounds.jsonl"))


# --- folders ---


@pytest.mark.parametrize("place", ["{tmp_path}/file/below", "/proc/calrun"])
def test_a_folder_that_cannot_be_written_is_named(place: str, tmp_path: Path, refused: Refusal) -> None:
    (tmp_path / "file").write_text("")
    place = place.format(tmp_path=tmp_path)
    assert f"cannot read or write {place}" in refused(f"paths.outputs={place}")


def test_a_folder_in_use_is_refused_and_left_to_its_process(
    play: Callable[..., Any], refusal: Refusal, small: tuple[str, ...], run_folder: Callable[[], Path]
) -> None:
    play("budget.rounds=2")
    folder = run_folder()
    lines = (folder / "rounds.jsonl").read_text().splitlines(keepends=True)
    (folder / "rounds.jsonl").write_text(lines[0])  # a run with a round to go
    claim = Claim(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    line = refusal("run", *small, "budget.rounds=2")
    assert f"another process is running in {folder} (last heartbeat " in line
    claim.require()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_folder_of_another_configuration_is_left_as_it_is(
    play: Callable[..., Any], one_round: Callable[[], str], run_folder: Callable[[], Path]
) -> None:
    play("budget.rounds=1")
    folder = run_folder()
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(
        text.replace("run_id: ", "run_id: x").replace("nameless_id: ", "nameless_id: x")
    )
    (folder / "rounds.jsonl").unlink()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert "belongs to run x" in one_round()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.fixture
def one_round(refusal: Refusal, small: tuple[str, ...]) -> Callable[[], str]:
    """Plays a run of one round that must be refused."""
    return lambda: refusal("run", *small, "budget.rounds=1")


def test_a_folder_of_something_else_is_left_as_it_is(
    play: Callable[..., Any], refusal: Refusal, small: tuple[str, ...], run_folder: Callable[[], Path]
) -> None:
    play("budget.rounds=1")
    folder = run_folder()
    for path in folder.iterdir():
        path.unlink()
    (folder / "thesis.tex").write_text("mine")
    assert "holds files but no config.yaml (first: ['thesis.tex'])" in refusal("run", *small, "budget.rounds=1")
    assert (folder / "thesis.tex").read_text() == "mine"
    assert {path.name for path in folder.iterdir()} == {"thesis.tex"}


def test_a_full_disk_at_commit_keeps_the_rounds_before_and_the_command_goes_on(
    play: Callable[..., Any], refusal: Refusal, small: tuple[str, ...], run_folder: Callable[[], Path]
) -> None:
    play("method=cal_der")
    folder = run_folder()
    whole = (folder / "picks.csv").read_text()
    lines = (folder / "rounds.jsonl").read_text().splitlines(keepends=True)
    (folder / "rounds.jsonl").write_text(lines[0])
    (folder / "state-3.pt").unlink()
    play("method=cal_der", "record.keep_states=true", "experiment_name=states")
    (state,) = folder.parents[1].glob("states/*/state-1.pt")
    state.rename(folder / "state-1.pt")
    (folder / ".state-2.pt.part").symlink_to("/dev/full")
    line = refusal("run", *small, "method=cal_der")
    assert "no space left on device" in line
    assert (folder / "rounds.jsonl").read_text() == lines[0]
    assert json.loads((folder / "status.json").read_text())["state"] == "failed"
    assert play("method=cal_der").code == 0
    assert (folder / "picks.csv").read_text() == whole


@pytest.mark.parametrize("name", ["rounds.jsonl", "picks.csv", "state-1.pt"])
@pytest.mark.parametrize("text", ["", "1,x"])
def test_a_damaged_file_of_a_run_is_named(
    name: str,
    text: str,
    play: Callable[..., Any],
    refusal: Refusal,
    small: tuple[str, ...],
    run_folder: Callable[[], Path],
) -> None:
    play("budget.rounds=2", "record.keep_states=true")
    folder = run_folder()
    line = (folder / "rounds.jsonl").read_text().splitlines(keepends=True)[0]
    (folder / "rounds.jsonl").write_text(line)
    (folder / name).write_text(text if text or name != "rounds.jsonl" else line[:90])
    assert f"{folder / name} is damaged" in refusal("run", *small, "budget.rounds=2")


# --- the process ---

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))
from calrun.cli import main
main()
"""


def test_a_full_disk_in_a_process_of_its_own_says_so_and_ends_with_code_2(
    tmp_path: Path, small: tuple[str, ...]
) -> None:
    """A limit on the size of files stands for the disk; the state of an MLP with 64 units is larger than it."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    command = [sys.executable, "-c", LIMITED, "run", f"paths.outputs={tmp_path}", *small]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended
    (line,) = ended.stderr.splitlines()
    assert line.startswith("calrun: cannot read or write")
    assert "file too large" in line
    assert not list(tmp_path.glob("**/*.part"))
    assert not list(tmp_path.glob("**/rounds.jsonl"))


def test_a_traceback_is_shown_when_asked_for(
    calrun: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, small: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CALRUN_DEBUG", "1")
    answer = calrun("run", *small, "budget.rounds=0")
    assert answer.code == 2
    assert "Traceback" in answer.err
    assert "budget.rounds wants" in answer.err


def test_other_commands_refuse_in_one_sentence_too(tmp_path: Path, refusal: Refusal) -> None:
    assert "there is no folder" in refusal("status", str(tmp_path / "nothing"))
    assert "holds no run" in refusal("status", str(tmp_path))
    assert "there is no group 'banana'" in refusal("list", "banana")
    assert "found nothing" in refusal("report", str(tmp_path / "nothing"))


# --- choices that would not be started ---


def test_a_choice_that_would_be_refused_in_a_later_round_stops_the_run_before_the_first_fit(refused: Refusal) -> None:
    line = refused("model=lenet", "acquisition=batch_bald", "acquisition.num_samples=2000000000")
    assert "acquisition refuses to choose after round 1 of" in line
    assert "FLOP" in line
    assert "acquisition.prefilter" in line


@pytest.mark.parametrize(
    ("option", "key"),
    [
        ("acquisition=coreset", "acquisition.memory_gib"),
        ("acquisition=partitioned_badge", "acquisition.inner.memory_gib"),
        ("initial=facility_location", "initial.memory_gib"),
        ("acquisition=cluster_margin", "acquisition.clustering.memory_gib"),
        ("acquisition=cluster_margin", "acquisition.margin.memory_gib"),
    ],
)
def test_a_memory_limit_must_hold_a_block(option: str, key: str, refused: Refusal) -> None:
    assert f"{key} wants a number of at least 0.001, got -1" in refused(option, f"{key}=-1")


def test_a_memory_limit_below_a_chunk_is_refused_with_the_number(refused: Refusal) -> None:
    line = refused("acquisition=coreset", "model.hidden=[20000]", "acquisition.memory_gib=0.001")
    assert "acquisition refuses to choose after round 1 of 3: 16 rows at once need 0.00251 GiB but the limit is" in line
    assert "raise acquisition.memory_gib" in line
