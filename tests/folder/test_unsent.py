"""Whether a logger lacks something of a finished run."""

from pathlib import Path

from omegaconf import OmegaConf

from calrun.folder.unsent import OPEN_FILE, is_unsent


def test_only_the_logger_that_has_begun_and_not_ended_lacks_something(tmp_path: Path) -> None:
    cfg = OmegaConf.create({"logger": {"_target_": "mine.Shelf"}})
    assert not is_unsent(tmp_path, cfg)
    (tmp_path / OPEN_FILE).write_text("mine.Shelf\n")
    assert is_unsent(tmp_path, cfg)
    assert not is_unsent(tmp_path, OmegaConf.create({"logger": {"_target_": "calrun.logger.base.Logger"}}))


def test_a_mirror_that_was_chosen_after_the_run_lacks_all_of_it(tmp_path: Path) -> None:
    cfg = OmegaConf.create({"logger": {"_target_": "calrun.logger.wandb.WandbLogger"}})
    assert is_unsent(tmp_path, cfg)
    (tmp_path / "wandb-id").write_text("a\n")
    assert not is_unsent(tmp_path, cfg)
