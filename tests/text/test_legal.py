"""Options that a piece cannot follow are refused when it is built, each in the same words."""

import re
from collections.abc import Callable

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from calrun.errors import sentence
from calrun.places import CONF
from calrun.text.legal import at_least, one_of, share


@pytest.mark.parametrize(
    ("option", "override", "wanted"),
    [
        ("badge", "first=biggest", r"first wants argmax_norm or uniform, got 'biggest'"),
        ("badge", "mode=blocks", "mode wants .*, got 'blocks'"),
        ("badge", "greedy_trials=0", "greedy_trials wants at least 1, got 0"),
        ("badge_pooled", "first=biggest", "first wants .*, got 'biggest'"),
        ("badge_pooled", "pooled_size=8", "pooled_size wants at least 16, got 8"),
        ("badge_pooled", "max_height=0", "max_height wants at least .*, got 0"),
        ("coreset", "empty_init=medoid", "empty_init wants .*, got 'medoid'"),
        ("dispersion_min", "start=last", "start wants .*, got 'last'"),
        ("facility_location", "kernel.kind=cosine", r"kernel\.kind wants cosine_clip0 or .*, got 'cosine'"),
        ("facility_location", "represented=0", "represented wants at least .*, got 0"),
        ("fass", "kernel.normalize=l1", r"kernel\.normalize wants .*, got 'l1'"),
        ("fass", "kernel.sigma=0", r"kernel\.sigma is 0, wanted a number above 0, or median"),
        ("fass", "kernel.sigma=mean", r"kernel\.sigma is 'mean'"),
        ("cluster_margin", "pick=first", "pick wants .*, got 'first'"),
        ("cluster_margin", "recluster=once", "recluster wants .*, got 'once'"),
        ("cluster_margin", "clustering.linkage=nearest", r"clustering\.linkage wants .*, got 'nearest'"),
        ("cluster_margin", "clustering.micro_clusters=0", r"clustering\.micro_clusters wants at least .*, got 0"),
        ("cluster_margin", "clustering.rows_per_cluster=0", r"clustering\.rows_per_cluster wants at least .*, got 0"),
        ("kmeans", "num_init=0", "num_init wants at least .*, got 0"),
        ("kmeans", "max_iter=-1", "max_iter wants at least .*, got -1"),
        ("typiclust", "max_clusters=0", "max_clusters wants at least .*, got 0"),
        ("typiclust", "num_neighbours=0", "num_neighbours wants at least .*, got 0"),
        ("partitioned_coreset", "subset_unlabelled=-3", "subset_unlabelled wants at least .*, got -3"),
        ("bald", "num_mc_samples=1", "num_mc_samples wants at least 2, got 1"),
        ("batch_bald", "num_mc_samples=1", "num_mc_samples wants at least 2, got 1"),
        ("batch_bald", "prefilter=0", "prefilter wants at least .*, got 0"),
        ("deepfool", "max_iter=0", "max_iter wants at least .*, got 0"),
        ("deepfool", "batch_size=0", "batch_size wants at least .*, got 0"),
    ],
)
def test_a_value_that_means_nothing_is_refused_at_once(option: str, override: str, wanted: str) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(None, overrides=[f"+acquisition={option}", f"acquisition.{override}"])
    with pytest.raises(InstantiationException) as refusal:
        instantiate(cfg.acquisition)
    assert re.match(f"acquisition.{wanted}", sentence(refusal.value))


def test_what_is_legal_passes() -> None:
    one_of("acquisition.first", "uniform", ["uniform"])
    at_least(1, "acquisition", represented=None, num_init=1)
    share("method.start.shrink", 1)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("method=cal_mir method.visit.choose.selection=best", "top or softmax_sample, got 'best'"),
        ("method=cal_sds2 method.visit.choose.scale=l1", "l2 or mean or none, got 'l1'"),
        ("method=cal_er method.visit.lr_scale=square", "none or linear, got 'square'"),
        ("method=cal_der method.objective.alpha=-1", "at least 0, got -1"),
        ("method=cal_der method.objective.beta=nan", "at least 0, got nan"),
        ("method=shrink_perturb method.start.shrink=1.5", "a share from 0 to 1, got 1.5"),
        ("acquisition=base_balanced acquisition.order=any", "class_major or round_robin, got 'any'"),
        ("acquisition=least_confidence acquisition.space=any", "prob or logit, got 'any'"),
        ("acquisition=balancing acquisition.denominator=median", "got 'median'"),
        ("acquisition=glister val_fraction=0.1 acquisition.regulariser.name=rand", "got 'rand'"),
    ],
)
def test_one_sentence_names_the_option_what_it_wants_and_what_came(
    refusal: Callable[..., str], small: tuple[str, ...], words: str, wanted: str
) -> None:
    said = refusal("run", *small, *words.split())
    option = words.split()[-1].partition("=")[0]
    assert f"{option} wants" in said
    assert wanted in said
