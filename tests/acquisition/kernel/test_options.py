"""Options that an acquisition cannot follow are refused when it is built."""

import re

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from calrun.acquisition.kernel.options import refuse_below, refuse_unknown
from calrun.errors import sentence
from calrun.places import CONF


@pytest.mark.parametrize(
    ("option", "override", "wanted"),
    [
        ("badge", "first=biggest", r"first is 'biggest', wanted one of \['argmax_norm', 'uniform'\]"),
        ("badge", "mode=blocks", "mode is 'blocks', wanted one of"),
        ("badge", "greedy_trials=0", "greedy_trials is 0, wanted at least 1"),
        ("badge_pooled", "first=biggest", "first is 'biggest'"),
        ("badge_pooled", "pooled_size=8", "pooled_size is 8, wanted at least 16"),
        ("badge_pooled", "max_height=0", "max_height is 0"),
        ("coreset", "empty_init=medoid", "empty_init is 'medoid', wanted one of"),
        ("dispersion_min", "start=last", "start is 'last', wanted one of"),
        ("facility_location", "kernel.kind=cosine", r"kernel\.kind is 'cosine', wanted one of \['cosine_clip0'"),
        ("facility_location", "represented=0", "represented is 0"),
        ("fass", "kernel.normalize=l1", r"kernel\.normalize is 'l1', wanted one of"),
        ("fass", "kernel.sigma=0", r"kernel\.sigma is 0, wanted a number above 0, or median"),
        ("fass", "kernel.sigma=mean", r"kernel\.sigma is 'mean'"),
        ("cluster_margin", "pick=first", "pick is 'first', wanted one of"),
        ("cluster_margin", "recluster=once", "recluster is 'once', wanted one of"),
        ("cluster_margin", "clustering.linkage=nearest", r"clustering\.linkage is 'nearest', wanted one of"),
        ("cluster_margin", "clustering.micro_clusters=0", r"clustering\.micro_clusters is 0"),
        ("cluster_margin", "clustering.rows_per_cluster=0", r"clustering\.rows_per_cluster is 0"),
        ("kmeans", "num_init=0", "num_init is 0"),
        ("kmeans", "max_iter=-1", "max_iter is -1"),
        ("typiclust", "max_clusters=0", "max_clusters is 0"),
        ("typiclust", "num_neighbours=0", "num_neighbours is 0"),
        ("partitioned_coreset", "subset_unlabelled=-3", "subset_unlabelled is -3"),
        ("bald", "num_mc_samples=1", "num_mc_samples is 1, wanted at least 2"),
        ("batch_bald", "num_mc_samples=1", "num_mc_samples is 1, wanted at least 2"),
        ("batch_bald", "prefilter=0", "prefilter is 0"),
        ("deepfool", "max_iter=0", "max_iter is 0"),
        ("deepfool", "batch_size=0", "batch_size is 0"),
    ],
)
def test_a_value_that_means_nothing_is_refused_at_once(option: str, override: str, wanted: str) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(None, overrides=[f"+acquisition={option}", f"acquisition.{override}"])
    with pytest.raises(InstantiationException) as refusal:
        instantiate(cfg.acquisition)
    assert re.match(f"acquisition.{wanted}", sentence(refusal.value))


def test_what_is_known_passes() -> None:
    refuse_unknown("first", "uniform", ["uniform"])
    refuse_below(1, represented=None, num_init=1)
