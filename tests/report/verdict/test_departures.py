from calrun.report.verdict.departures import departures

RECIPE = {
    "choices.method": "al",
    "choices.model": "resnet18",
    "model._target_": "calrun.model.resnet18.resnet18",
    "model.width": 64,
    "optimizer.lr": 0.01,
    "method.optimizer.lr": 0.01,
    "trainer.precision": "32-true",
    "scale": 1,
}
ER = RECIPE | {"choices.method": "cal_er", "method.visit.replay_size": 128}


def test_a_run_of_the_recipe_departs_in_nothing_whatever_its_scale_and_own_facts() -> None:
    assert departures([RECIPE | {"scale": 0.1, "data_fingerprint": "x"}, ER], [RECIPE, ER]) == []


def test_every_leaf_that_differs_is_said_copies_once_and_how_many_runs() -> None:
    runs = [RECIPE | {"model.width": 2, "optimizer.lr": 0.1, "method.optimizer.lr": 0.1}, RECIPE | {"model.width": 2}]
    assert departures(runs, [ER, RECIPE]) == [
        "model.width 2 in place of 64",
        "optimizer.lr 0.1 in place of 0.01 (1 of 2 runs)",
    ]


def test_another_option_is_named_and_its_leaves_are_not_listed() -> None:
    run = {key: value for key, value in RECIPE.items() if not key.startswith("model.")}
    run |= {"choices.model": "cnn", "model._target_": "calrun.model.cnn.CNN", "model.channels": 8}
    assert departures([run], [RECIPE]) == ["model cnn in place of resnet18"]


def test_with_another_data_set_its_files_are_not_listed() -> None:
    recipe = RECIPE | {"choices.dataset": "cifar10", "dataset.root": "", "data": ["cifar-10-batches-py"]}
    run = RECIPE | {"choices.dataset": "digits", "dataset.num_train": 100, "data": []}
    assert departures([run], [recipe]) == ["dataset digits in place of cifar10"]
    assert departures([recipe | {"data": ["mine"]}], [recipe]) == ["data ['mine'] in place of ['cifar-10-batches-py']"]


def test_what_one_of_them_lacks_differs_too() -> None:
    lacking = {key: value for key, value in ER.items() if key != "method.visit.replay_size"}
    assert departures([lacking], [ER]) == ["method.visit.replay_size nothing in place of 128"]
    assert departures([ER], [lacking]) == ["method.visit.replay_size 128 in place of nothing"]


def test_all_of_many_differences_are_said_names_of_options_first() -> None:
    run = ER | {f"method.option_{number}": number for number in range(20)} | {"choices.model": "cnn"}
    found = departures([run], [ER])
    assert found[0] == "model cnn in place of resnet18"
    assert len(found) == 21
