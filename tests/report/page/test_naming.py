from calrun.report.page.naming import changes, difference_labels, short_value


def test_copies_of_one_change_show_once_under_the_shortest_key() -> None:
    members = [{"trainer.epochs": n, "method.stop.epochs": n, "method.stop_later.max": n, "lr": 1} for n in (2, 4)]
    assert changes(members) == {"trainer.epochs": ["method.stop.epochs", "method.stop_later.max"]}
    assert difference_labels(members) == ["epochs=2", "epochs=4"]


def test_a_change_bears_the_key_that_is_typed_and_not_what_was_worked_out_of_it() -> None:
    members = [{"dataset.num_train": n, "data_fingerprint": f"{n}-10-abc"} for n in (400, 500)]
    assert difference_labels(members) == ["num_train=400", "num_train=500"]
    assert difference_labels([{**own, "dataset.num_train": 400} for own in members]) == [
        "data_fingerprint=400-10-abc",
        "data_fingerprint=500-10-abc",
    ]


def test_two_changes_that_happen_together_both_show() -> None:
    assert difference_labels([{"lr": 1, "batch": 64}, {"lr": 2, "batch": 128}]) == ["batch=64, lr=1", "batch=128, lr=2"]


def test_many_differences_make_a_short_name_that_still_tells_apart() -> None:
    members = [{f"key_{number}": number * member for number in range(1, 20)} for member in (1, 2, 3)]
    labels = difference_labels(members)
    assert len(set(labels)) == 3
    assert all(label.startswith("key_1=") and ", 16 more: " in label and len(label) < 60 for label in labels)


def test_a_long_value_is_cut_and_told_apart() -> None:
    one, other = list(range(1, 200, 2)), list(range(1, 200, 2))[:-1]
    assert short_value(one) != short_value(other)
    assert len(short_value(one)) < 25
    assert short_value("=a\nb") == "=a\\nb"


def test_what_counts_only_where_it_is_changed_shows_what_it_is_elsewhere() -> None:
    assert difference_labels([{"lr": 1}, {"lr": 1, "trainer.last_batch": "even"}]) == [
        "last_batch=keep",
        "last_batch=even",
    ]
    assert difference_labels([{}, {"dataset.augment": False}]) == ["augment=True", "augment=False"]
