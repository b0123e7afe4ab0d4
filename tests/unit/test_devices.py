"""Which names of a device are right, and what is said of one that is not there."""

import pytest
import torch

from lepton_hw.devices import cards, require_device
from lepton_hw.errors import InputError, MissingTool


def with_cards(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


@pytest.mark.parametrize(
    ("count", "there"), [(0, ["cpu"]), (1, ["cpu", "cuda", "cuda:0"]),
                         (2, ["cpu", "cuda", "cuda:0", "cuda:1"])]
)  # fmt: skip
def test_only_a_card_that_is_there(
    count: int, there: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cards(count, monkeypatch)
    assert cards() == count
    for device in ("cpu", "cuda", "cuda:0", "cuda:1"):
        if device in there:
            require_device(device)
            continue
        with pytest.raises(MissingTool) as error:
            require_device(device)
        assert str(error.value) == (
            f"device '{device}' is not there; expected cpu, or cuda with a card; use device cpu."
        )


@pytest.mark.parametrize("device", ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda1", "cpu:0"])
def test_a_name_that_is_none(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_cards(2, monkeypatch)
    with pytest.raises(InputError, match=f"device is '{device}'; expected cpu, cuda, or a card by"):
        require_device(device)


def test_everybody_asks_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card with a number that is too large was taken as there."""
    from lepton_hw.executors.float_torch_executor import FloatTorchExecutor
    from lepton_hw.reference.reference import Reference

    with_cards(1, monkeypatch)
    for make in (
        lambda: Reference(None, "cuda:7"),  # type: ignore[arg-type]
        lambda: FloatTorchExecutor(None, None, "cuda:7"),  # type: ignore[arg-type]
    ):
        with pytest.raises(MissingTool, match="device 'cuda:7' is not there"):
            make()
