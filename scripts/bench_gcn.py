"""Times core_gcn beside the dense form of its graph, and boosting beside a loop with autograd.

`python scripts/bench_gcn.py [--threads 2] [--nodes 50000] [--dense-nodes 3000] [--rows 256] [--repeats 3]` prints two
Markdown tables. Seconds are medians; memory is the peak of the resident set above what was there before, in a process
of the case's own. The dense form keeps its M x M matrix in single precision, as the authors' code does on its GPU after
it was made in double precision, and is run at `--dense-nodes` alone: at 50,000 its matrix would take 20 GB.

Dimension key: M nodes (N candidates and L labelled rows), D features, H hidden units.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from measured import alone, measured
from torch import Tensor, nn

from calrun.acquisition.base import Acquisition, Candidates
from calrun.acquisition.kernel.graph_net import Graph, GraphNet, GraphOptions, told_apart
from calrun.acquisition.kernel.row_gradients import lengths_of_rows
from calrun.model.adapt.own import make_net
from calrun.training.trainer import silence_lightning

CONF = str(Path(__file__).parents[1] / "conf")
NUM_FEATURES, SHARE_LABELLED, BUDGET = 512, 0.1, 2500
SHAPES = {"mlp": (28, 28), "cnn": (1, 28, 28), "lenet": (3, 32, 32), "resnet18": (3, 32, 32)}


@dataclass
class Pictures:
    """Pictures in memory."""

    x: Tensor

    def batches(self, rows: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            yield part, self.x[torch.from_numpy(part)]


def made(option: str, *overrides: str) -> Acquisition:
    with initialize_config_dir(CONF, version_base="1.3"):
        cfg = compose(None, overrides=[f"+acquisition={option}", *overrides])
    acquisition: Acquisition = instantiate(cfg.acquisition)
    return acquisition


def features(num_nodes: int) -> Tensor:
    """Returns clustered features behind a ReLU."""
    generator = torch.Generator().manual_seed(0)
    centre_CD = torch.randn(10, NUM_FEATURES, generator=generator)
    class_M = torch.randint(10, (num_nodes,), generator=generator)
    return torch.randn(num_nodes, NUM_FEATURES, generator=generator).add_(centre_CD[class_M]).relu_()


def dense_fit(features_MD: Tensor, num_candidates: int, options: GraphOptions) -> Tensor:
    """Returns the hidden features after the authors' fit, with the M x M matrix; dropout is torch's."""
    unit_MD = F.normalize(features_MD)
    adjacency_MM = (unit_MD @ unit_MD.T).double() - torch.eye(len(unit_MD), dtype=torch.float64)
    adjacency_MM = adjacency_MM @ torch.diag(1 / adjacency_MM.sum(dim=0)) + torch.eye(len(unit_MD), dtype=torch.float64)
    adjacency_MM = adjacency_MM.float()
    begun = GraphNet(Graph(features_MD), num_candidates, options, seed=0)
    inner_DH, inner_bias_H, outer_H1, outer_bias_1 = parameters = [*begun.parameters()]
    adam = torch.optim.Adam(parameters, lr=options.lr, weight_decay=options.weight_decay)
    for _ in range(options.steps):
        hidden_MH = (adjacency_MM @ (unit_MD @ inner_DH) + inner_bias_H).relu()
        logits_M1 = adjacency_MM @ (F.dropout(hidden_MH, options.dropout) @ outer_H1) + outer_bias_1
        adam.zero_grad()
        told_apart(logits_M1[:, 0], num_candidates, options.unlabelled_weight).backward()
        adam.step()
    return hidden_MH.detach()


def graph_case(num_nodes: int, is_dense: bool, threads: int, repeats: int) -> tuple[float, float]:
    """Returns seconds and MiB of a choice by core_gcn, or of the dense fit alone, which is its smaller part."""
    torch.set_num_threads(threads)
    silence_lightning()
    features_MD, number = features(num_nodes), round((1 - SHARE_LABELLED) * num_nodes)
    acquisition = made("core_gcn")
    budget = min(BUDGET, number // 10)
    with TemporaryDirectory() as folder:
        columns = {"features": features_MD[:number], "labelled_features": features_MD[number:]}
        candidates = Candidates(np.arange(number), {**columns, "scratch": Path(folder)})
        if is_dense:
            seconds, mib, _ = measured(lambda: dense_fit(features_MD, number, acquisition.graph), repeats)  # type: ignore[attr-defined]
        else:
            seconds, mib, _ = measured(
                lambda: acquisition.select(candidates, budget, np.random.default_rng(0)), repeats
            )
    return seconds, mib


def graph_table(num_nodes: int, dense_nodes: int, threads: int, repeats: int) -> None:
    print("| core_gcn | M | s | MiB | M x M in double precision, GB |\n|---|---|---|---|---|")
    for name, number, is_dense in (
        ("as chosen", num_nodes, False),
        ("as chosen", dense_nodes, False),
        ("dense, its fit alone", dense_nodes, True),
    ):
        seconds, mib = alone(graph_case, number, is_dense, threads, repeats)
        print(f"| {name} | {number:,} | {seconds:.2f} | {mib:.0f} | {8e-9 * number**2:.3g} |", flush=True)


def one_by_one(net: nn.Module, x: Tensor) -> Tensor:
    """The authors' loop: the entropy of a row, a backward pass, and the sum of the norms of its tensors."""
    lengths = []
    for row in x:
        logits_1C = net(row[None]).logits_BC
        loss = -(logits_1C.softmax(dim=1) * logits_1C.log_softmax(dim=1)).sum()
        gradients = torch.autograd.grad(loss, [*net.parameters()])
        lengths.append(torch.stack([gradient.norm() for gradient in gradients]).sum())
    return torch.stack(lengths)


def gradient_case(model: str, num_rows: int, threads: int, repeats: int) -> str:
    """Returns a line with seconds of boosting and of the loop, their ratio, and how far their scores are apart."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    with initialize_config_dir(CONF, version_base="1.3"):
        cfg = compose("config", [f"model={model}"])
    net = make_net(cfg.model, 10, SHAPES[model], None).eval()
    x, rows = torch.randn(num_rows, *SHAPES[model]), np.arange(num_rows)
    candidates = Candidates(rows, {"images": Pictures(x), "model": net})
    acquisition = made("boosting")
    ours, mib, _ = measured(lambda: acquisition.select(candidates, num_rows // 10, np.random.default_rng(0)), repeats)
    loop, loop_mib, theirs_N = measured(lambda: one_by_one(net, x), repeats)
    own_N = torch.cat([lengths_of_rows(net, "entropy", "sum", x[:1])(part) for part in x.split(64)])
    apart = float(((own_N - theirs_N).abs() / theirs_N).max())
    cells = [model, f"{num_rows:,}", f"{ours:.2f}", f"{loop:.2f}", f"{loop / ours:.1f}x", f"{mib:.0f}"]
    return f"| {' | '.join([*cells, f'{loop_mib:.0f}', f'{apart:.0e}'])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--nodes", type=int, default=50_000)
    parser.add_argument("--dense-nodes", type=int, default=3_000, help="where the dense form is run too")
    parser.add_argument("--models", nargs="*", choices=[*SHAPES], default=[*SHAPES])
    parser.add_argument("--rows", type=int, default=256, help="rows that boosting scores")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {arguments.threads} threads, load {psutil.getloadavg()[0]:.1f}\n")
    graph_table(arguments.nodes, arguments.dense_nodes, arguments.threads, arguments.repeats)
    head = ["boosting", "N", "torch.func s", "loop s", "ratio", "MiB", "loop MiB", "scores apart"]
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for model in arguments.models:
        print(alone(gradient_case, model, arguments.rows, arguments.threads, arguments.repeats), flush=True)


if __name__ == "__main__":
    main()
