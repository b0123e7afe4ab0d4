"""Docker and Podman, against fakes: which is taken, and exactly what a container is given."""

import os
import shutil
from pathlib import Path

import pytest
from fake_tools import Tools
from vivado_cases import same_as_golden, small_design
from vivado_texts import all_reports

from lepton_hw.board import load_board
from lepton_hw.errors import InputError, MissingTool
from lepton_hw.plan.execute import Failed, Local, collect, run_plan
from lepton_hw.plan.plan import Plan, Step
from lepton_hw.rtl.shell.vivado import plan_vivado
from lepton_hw.tools import container, vivado, vivado_runner
from lepton_hw.tools.container import Container, Engine, Mount, find, for_vivado

STOPPED = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is it running?\n"
tcl = pytest.mark.skipif(shutil.which("tclsh") is None, reason="tclsh is not installed")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    for name in (*container.PASSED, container.VARIABLE, vivado.ROOT_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    find.cache_clear()
    vivado.find.cache_clear()
    tools = Tools(tmp_path / "opt", all_reports())
    # Not the real ones of this machine, but everything that scripts need.
    real = tmp_path / "real"
    real.mkdir()
    for name in ("tclsh", "sleep"):
        if found := shutil.which(name):
            (real / name).symlink_to(found)
    monkeypatch.setenv("PATH", f"{tools.engines}:{real}")
    return tools


def stopped(tools: Tools, name: str, stderr: str = STOPPED) -> None:
    tools.state[name] = {"stderr": stderr, "version": "", "code": 1, "image": 0}
    tools.save()


def test_docker_comes_first(tools: Tools) -> None:
    tools.with_engines("docker", "podman")
    assert find() == Engine("docker", str(tools.engines / "docker"), "4.3.1")
    assert find("podman").name == "podman"


def test_a_docker_that_does_not_run_gives_way(tools: Tools) -> None:
    tools.with_engines("docker", "podman")
    stopped(tools, "docker")
    assert find().name == "podman"


def test_none_runs(tools: Tools) -> None:
    tools.with_engines("docker")
    stopped(tools, "docker")
    with pytest.raises(MissingTool) as caught:
        find()
    assert str(caught.value) == (
        "no container engine runs (docker: its service does not run; podman is not installed);"
        " expected Docker with its service running, or Podman; start it ('systemctl start docker'),"
        " install Podman, or put Vivado on PATH."
    )


def test_a_docker_that_this_user_may_not_use(tools: Tools) -> None:
    tools.with_engines("docker")
    stopped(tools, "docker", "permission denied while trying to connect to the Docker daemon\n")
    with pytest.raises(MissingTool, match="add it to the group docker"):
        find()


def test_a_client_that_answers_without_a_server(tools: Tools) -> None:
    tools.with_engines("docker")
    tools.state["docker"] = {"stderr": "", "version": "<no value>", "code": 0, "image": 0}
    tools.save()
    with pytest.raises(MissingTool, match="no container engine runs"):
        find()


def test_an_unknown_engine(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(container.VARIABLE, "lxc")
    with pytest.raises(InputError, match="the container engine is 'lxc'"):
        find()


@pytest.mark.parametrize("name", ["docker", "podman"])
@pytest.mark.parametrize("user", [0, 1000])
def test_the_command_line(
    name: str, user: int, tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: user)
    monkeypatch.setattr(os, "getgid", lambda: user)
    licence = tmp_path / "licences"
    licence.mkdir()
    monkeypatch.setenv("XILINXD_LICENSE_FILE", f"{licence}:2100@secret-server")
    tools.with_hls()
    found = vivado.find(str(tools.folder))
    runner = for_vivado(Engine(name, name, "1"), found, project=tmp_path / "project")
    step = Step(name="s", argv=("vivado", "-mode", "batch"), products=("x",), timeout=1,
                environment={"STEP": "1"})  # fmt: skip
    argv, environment = runner.command(step, tmp_path / "a build")
    assert "secret-server" not in " ".join(argv)
    assert environment["XILINXD_LICENSE_FILE"].endswith("secret-server")
    text = "\n".join(argv).replace(str(tmp_path), "HERE").replace(runner._name, "NAME") + "\n"
    assert same_as_golden(f"run_{name}_{user}.txt", text)


def test_only_what_is_named_gets_in(
    tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    tools.with_engines("podman")
    runner = for_vivado(find(), vivado.find(str(tools.folder)))
    assert runner.network == "none"
    argv, _ = runner.command(
        Step(name="s", argv=("vivado",), products=("x",), timeout=1), tmp_path / "b"
    )
    passed = [argv[i + 1].partition("=")[0] for i, word in enumerate(argv) if word == "--env"]
    assert passed == ["HOME", "PATH", "XILINX_VIVADO"]


def test_a_licence_that_is_not_there(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XILINXD_LICENSE_FILE", "/no/such/file.lic")
    with pytest.raises(InputError, match=r"the licence /no/such/file\.lic does not"):
        for_vivado(Engine("podman", "podman", "1"), vivado.find(str(tools.folder)))


@pytest.mark.parametrize("name", ["a,b", 'a"b'])
def test_a_path_that_mount_cannot_name(name: str) -> None:
    with pytest.raises(InputError, match="comma or a quotation mark"):
        Mount(Path("/x") / name).argument()


@tcl
def test_a_whole_build_in_a_container(
    tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    monkeypatch.setenv(vivado.ROOT_VARIABLE, str(tools.folder))
    tools.with_engines("podman")
    runner = vivado_runner.choose()
    assert vivado_runner.describe(runner) == "in podman 4.3.1, localhost/lepton_hw:build"
    plan = plan_vivado(small_design(tmp_path / "stitch"), load_board("pynq_z2"))
    folder = tmp_path / "a build"
    run_plan(plan, folder, runner)
    collect(plan, folder, tmp_path / "out")
    assert (tmp_path / "out/design.bit").is_file()
    first = tools.ran()[0]
    assert first["cwd"] == str(folder)
    assert first["env"]["HOME"] == str(folder / "home")
    assert "SECRET_TOKEN" not in first["env"]
    assert [run["argv"][0] for run in tools.ran("podman")] == ["info", "image", "run", "run", "run"]


def test_a_time_out_removes_the_container(tmp_path: Path, tools: Tools) -> None:
    tools.with_engines("docker")
    runner = Container(find(), "image")
    slow = Step(name="s", argv=("sleep", "30"), products=("x",), timeout=1.0)
    with pytest.raises(Failed, match="longer than 1 s"):
        run_plan(Plan(title="p", files=(), steps=(slow,), results=()), tmp_path / "b", runner)
    assert tools.ran("docker")[-1]["argv"] == ["rm", "--force", runner._name]


def test_where_vivado_runs(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    tools.with_engines("docker")
    monkeypatch.setenv("PATH", f"{tools.bin}:{os.environ['PATH']}")
    assert isinstance(vivado_runner.choose(), Local)  # on PATH: no container
    monkeypatch.setenv(vivado.ROOT_VARIABLE, str(tools.folder))
    assert isinstance(vivado_runner.choose(), Container)
    monkeypatch.setenv(container.VARIABLE, "none")
    assert isinstance(vivado_runner.choose(), Local)
    with pytest.raises(MissingTool, match=r"no Vitis HLS beside Vivado 2022\.2"):
        vivado_runner.choose(needs_hls=True)


def test_an_image_that_was_not_built(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    tools.with_engines("docker")
    tools.state["docker"]["image"] = 1
    tools.save()
    monkeypatch.setenv(vivado.ROOT_VARIABLE, str(tools.folder))
    with pytest.raises(MissingTool, match="run 'make docker-build'"):
        vivado_runner.choose()


def test_building_an_image(tools: Tools, tmp_path: Path) -> None:
    tools.with_engines("podman")
    assert container.build_image("build", ["PIP_INDEX_URL=x"], tmp_path) == 0
    assert tools.ran("podman")[-1]["argv"] == [
        "build", "-f", str(tmp_path / "docker/Containerfile"), "--target", "build",
        "-t", "localhost/lepton_hw:build", "--build-arg", "PIP_INDEX_URL=x", str(tmp_path),
    ]  # fmt: skip
    with pytest.raises(InputError, match="there is no image 'prod'"):
        container.build_image("prod", (), tmp_path)


def test_the_images_are_those_of_the_files() -> None:
    text = (container.ROOT / container.CONTAINERFILE).read_text()
    stages = {line.split()[-1] for line in text.splitlines() if line.startswith("FROM")}
    assert set(container.TARGETS) <= stages
    compose = (container.ROOT / "docker/compose.yaml").read_text()
    assert all(f"target: {target}\n" in compose for target in container.TARGETS)
