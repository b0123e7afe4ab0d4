"""Power: sensors of the kernel, a meter's file, and where each figure comes from."""

from pathlib import Path

import pytest

from lepton_hw.onboard.errors import DriverError, InputError
from lepton_hw.onboard.power import Measurement, Rail, find_rails, read_meter, stated


def hwmon(root: Path) -> Path:
    files = {
        "hwmon0/power1_input": "4500000", "hwmon1/power1_input": "9000000",
        "hwmon1/power1_label": "INT", "hwmon2/curr3_input": "1500", "hwmon2/in3_input": "850",
        "hwmon2/curr3_label": "AUX", "hwmon2/curr4_input": "7",
    }  # fmt: skip
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text + "\n")
    return root


def test_rails_of_the_kernel(tmp_path: Path) -> None:
    rails = find_rails(("INT", "power1", "AUX", "12V"), hwmon(tmp_path))
    watts = {name: rail.read() for name, rail in rails.items()}
    assert watts == pytest.approx({"INT": 9.0, "power1": 4.5, "AUX": 1.275})
    assert rails["INT"].source.endswith("hwmon1/power1_input")
    assert find_rails(("12V",), tmp_path / "none") == {}


def test_a_measurement_says_its_rail(tmp_path: Path) -> None:
    rail = find_rails(("power1",), hwmon(tmp_path))["power1"]
    with Measurement(rail, interval=0.001) as measured:
        while len(measured._samples) < 5:
            pass
    figure = measured.figure
    assert figure is not None
    assert figure.provenance == "rail"
    assert figure.source.startswith("power1 (")
    assert figure.samples >= 6
    assert figure.watts == pytest.approx(4.5)
    assert figure.joules == pytest.approx(4.5 * figure.seconds)


def test_a_sensor_that_stops_is_a_sentence() -> None:
    values = iter([1.0, 2.0])
    with (
        pytest.raises(DriverError, match="the sensor INT stopped"),
        Measurement(Rail("INT", "here", lambda: next(values)), interval=0.001) as measured,
    ):
        while measured._thread.is_alive():
            pass


def test_a_meters_file(tmp_path: Path) -> None:
    file = tmp_path / "meter.csv"
    file.write_text("time_s, power_w\n0,1\n1,3\n3,3\n4,100\n")
    figure = read_meter(file, begin=0, end=3)
    assert figure[:4] == (pytest.approx(8 / 3), 3.0, 3, "meter")
    assert figure.joules == pytest.approx(8)
    file.write_text("time_s,voltage_v,current_a,note\n0,5,1,a\n2,5,2,b\n")
    assert read_meter(file).watts == pytest.approx(7.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("when,power_w\n0,1\n", "has the columns when, power_w; expected time_s"),
        ("", r"has the columns \(none\)"),
        ("time_s,power_w\n0,1\n1,x\n", "cannot be read"),
        ("time_s,power_w\n0,1\n1\n", "cannot be read"),
        ("time_s,power_w\n0,1\n", "has 1 samples"),
        ("time_s,power_w\n1,1\n0,1\n", "times that do not rise"),
    ],
)
def test_a_meters_file_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "meter.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        read_meter(file)
    with pytest.raises(InputError, match="cannot be read"):
        read_meter(tmp_path / "none.csv")


def test_stated_figures_are_marked() -> None:
    assert stated(2.0, 3.0, "vendor-estimate", "report_power").joules == 6.0
    with pytest.raises(InputError, match="provenance 'rail'; expected vendor-estimate or model"):
        stated(2.0, 3.0, "rail", "me")
