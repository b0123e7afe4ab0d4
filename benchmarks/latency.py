"""``python -m benchmarks.latency``: the model of one frame's latency against the RTL.

Networks with random weights at random foldings, none larger than what simulates quickly, and each
at the folding that the search finds for its rate. Writes ``build/bench/latency.json``.
"""

import argparse
import json
import random
from typing import Any

from benchmarks.folding import SCRATCH, specialized
from benchmarks.networks import flow_of, untrained
from benchmarks.table import write
from lepton_hw.artifacts import write_atomically
from lepton_hw.board import Board, load_board
from lepton_hw.compiler.folding import Choices, choices
from lepton_hw.compiler.world import finn_world
from lepton_hw.flow import Compile, Flow, Model
from lepton_hw.pipeline import Options, build
from lepton_hw.stages.compile import Compiled
from lepton_hw.stages.simulate import Simulated

#: Large enough for any folding that is tried.
BOARD = "zcu104"
#: Network, weight and activation bits, image shape, classes, most LUTs by estimate, seeds.
NETWORKS: tuple[tuple[str, int, int, tuple[int, int, int], int, int, tuple[int, ...]], ...] = (
    ("cnn_small", 4, 4, (8, 8, 1), 10, 9_000, (1, 2, 3)),
    ("cnn_small", 2, 2, (8, 8, 1), 10, 6_000, (4, 5, 6)),
    ("tfc", 1, 1, (28, 28, 1), 10, 6_000, (1, 2)),
    ("tfc", 2, 2, (28, 28, 1), 10, 6_000, (3, 4)),
    ("kws_mlp", 3, 3, (49, 10, 1), 12, 9_000, (1, 2)),
    ("dscnn", 4, 4, (49, 10, 1), 12, 14_000, (1, 2)),
    ("vgg10", 4, 4, (1024, 1, 2), 24, 14_000, (1,)),
    ("unet", 4, 4, (32, 32, 3), 10, 16_000, (1,)),
    ("resnet8", 4, 4, (32, 32, 3), 10, 14_000, (1,)),
    ("cnv", 1, 1, (32, 32, 3), 10, 14_000, (1, 2)),
)


def random_folding(among: Choices, seed: int, most: int) -> dict[str, Any]:
    """A folding file of random options of at most `most` LUTs in sum, each of the cheaper half of
    those that keep a random pace.
    """
    draw = random.Random(seed)
    slow = max(min(option.cycles for option in options) for options in among.groups)
    for _ in range(10_000):
        pace = slow * 2 ** (8 * draw.random())
        table: dict[str, Any] = {"Defaults": {}}
        luts = 0.0
        for options in among.groups:
            fast = sorted((o for o in options if o.cycles <= pace), key=lambda o: o.cost)
            option = draw.choice(fast[: max(1, len(fast) // 2)])
            table |= option.attributes
            luts += option.cost[0]
        if luts <= most:
            return table
    raise SystemExit(f"no random folding of at most {most} LUTs")


def measured(flow: Flow, board: Board) -> dict[str, Any]:
    """One folding in RTL, beside the model."""
    done = build(flow, board, Options(to="simulate"))
    compiled, simulated = done["compile"], done["simulate"]
    assert isinstance(compiled, Compiled)
    assert isinstance(simulated, Simulated)
    model, rtl = compiled.latency_model, simulated.latency_cycles
    return {
        "folding": flow.name.rsplit("_", 1)[1], "rtl": rtl, "model": model,
        "error_percent": round(100 * (model / rtl - 1), 3), "finn": compiled.latency_cycles,
        "interval": compiled.interval, "lut": compiled.lut,
    }  # fmt: skip


def rows_of(
    model: Model, shape: tuple[int, int, int], classes: int, most: int, seeds: tuple[int, ...]
) -> list[dict[str, Any]]:
    """One network at its foldings."""
    board, bits = load_board(BOARD), f"w{model.weight_bits}a{model.act_bits}"
    name = f"latency_{model.name}_{bits}"
    file = SCRATCH / f"{name}.onnx"
    if not file.is_file():
        untrained(model, shape, classes, file)
    flow = flow_of(file, name, 1, 1).model_copy(update={"name": name})
    exported = build(flow, board, Options(to="export"))["export"].path("model.onnx")
    with finn_world(SCRATCH / "finn-scratch", SCRATCH / "finn.log"):
        among = choices(specialized(exported, board), board)
    rows = []
    for seed in seeds:
        table = SCRATCH / f"{name}_{seed}.json"
        write_atomically(table, json.dumps(random_folding(among, seed, most)) + "\n")
        changes = {"name": f"{name}_{seed}", "compile": Compile(folding=str(table))}
        row = measured(flow.model_copy(update=changes), board)
        rows.append({"network": model.name, "bits": bits, **row})
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Prints and writes the table, then the mean and the worst error."""
    parser = argparse.ArgumentParser(description="modelled latency against RTL")
    parser.add_argument("networks", nargs="*", help="of those in NETWORKS; default all")
    wanted = parser.parse_args().networks
    rows = []
    for name, weights, acts, shape, classes, most, seeds in NETWORKS:
        if not wanted or name in wanted:
            model = Model(name=name, weight_bits=weights, act_bits=acts)
            rows += rows_of(model, shape, classes, most, seeds)
    write("latency", rows)
    errors = [abs(row["error_percent"]) for row in rows]
    print(f"mean error {sum(errors) / len(errors):.3f} %, worst {max(errors):.3f} %")


if __name__ == "__main__":
    main()
