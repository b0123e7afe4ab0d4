# Sets up the environment and runs the project's commands. `make help` lists them.
#
# The environment (.venv) is brought up to date when a requirements file or pyproject.toml changed;
# otherwise every target starts at once. Which build of torch is installed is pip's choice: by default the
# CUDA build on Linux. For the much smaller CPU build, set PIP_EXTRA_INDEX_URL (or the same key in
# pip.conf) to the address that PyTorch's "Get started" page gives for CPU, before the first
# `make`: pip prefers 2.13.0+cpu to 2.13.0, and both satisfy the lock.

VENV := .venv
STAMP := $(VENV)/.stamp
RUN := $(VENV)/bin
# The first that is Python 3.11 or newer; the stack is tested on 3.11. Override: make PYTHON=...
AT_LEAST := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3.11 python3; do \
	$$p -c "$(AT_LEAST)" 2>/dev/null && { echo $$p; break; }; done)
# What `make test` runs: make test TESTS=tests/unit; and how many files of tests at a time, each with
# up to 2 GB
TESTS ?=
JOBS ?= 2
# The board's environment: pynq, which wants NumPy below 2. 3.1.2 is the last for PYNQ-Z1 and -Z2;
# another one, such as PYNQ=4.0.0, goes into a folder of its own.
PYNQ ?= 3.1.2
BOARD_VENV := .venv-board$(if $(filter 3.1.2,$(PYNQ)),,-$(PYNQ))
BOARD_STAMP := $(BOARD_VENV)/.stamp
# Where `make hil` runs its tests: virtual, remote:HOST, ssh:[USER@]HOST or local.
BOARD ?= virtual
unexport BOARD  # a PYNQ image says by this name which board it is
FLOW ?= digits_cnn

.PHONY: help demo test test-nightly check fuzz zoo bench-sim bench-fifos bench-kernels bench-folding bench-reference \
	bench-card bench-latency bench-certify \
	bench-driver bench-serve test-finn-driver test-triton-client test-reference bench-shell test-shell designs hil board-env bitstream docker-build open-tools test-open bench-synthesis bench-fasm \
	bench-bitstreams bench-compare bench-anchors clean lock tools

help:
	@echo "make demo    train, compile, simulate and certify the digits CNN for a PYNQ-Z2"
	@echo "make test    the whole test suite, make hil included (TESTS=path for a part)"
	@echo "make test-nightly  200 random configurations of each kernel"
	@echo "make check   ruff and mypy"
	@echo "make fuzz    random networks through the whole flow (SEED=first SEEDS=how many)"
	@echo "make zoo     every network of the zoo, certified in RTL, as a table"
	@echo "make bench-sim  speed of the RTL simulation, measured"
	@echo "make bench-fifos  FIFO storage against FINN's own sizing, at the same speed"
	@echo "make bench-kernels  LUTs of our matrix units by Yosys"
	@echo "make bench-reference  the exact integer path against QONNX's and FINN's execution"
	@echo "make bench-card  the exact integer path on a CUDA card (STORE=1 keeps the figures)"
	@echo "make test-reference  1,000 random graphs each against FINN and QONNX"
	@echo "make bench-folding  folding search against FINN's SetFolding; CNV's foldings in RTL"
	@echo "make bench-latency  the model of one frame's latency against RTL (half an hour and more)"
	@echo "make bench-certify  10,000 CNV images through PyTorch, QONNX and the integer path"
	@echo "make bench-driver  the board's driver: packing on one core, Python's share of a call"
	@echo "make bench-serve  requests and frames a second of lepton serve"
	@echo "make bench-shell  DMA throughput, the digits CNN behind the shell, cells of the shell"
	@echo "make test-shell  1,000 random AXI scenarios of each kind"
	@echo "make hil     hardware-in-the-loop tests (BOARD=virtual, remote:HOST, ssh:HOST, local)"
	@echo "make test-finn-driver  FINN's own driver package on the virtual board"
	@echo "make test-triton-client  NVIDIA's tritonclient against lepton serve"
	@echo "make bitstream  for BOARD, FLOW; TOOLCHAIN=open, vivado, virtual; SEEDS=number"
	@echo "make docker-build  the image in which Vivado runs"
	@echo "make open-tools  place and route for Zynq-7000 into your cache (Debian's packages)"
	@echo "make test-open   small bitstreams with open tools, built and read back"
	@echo "make bench-synthesis  cells by Yosys against estimates, netlists proven"
	@echo "make bench-bitstreams  two networks to .bit with open tools, on two boards"
	@echo "make bench-compare  the digits CNN on CPU, modelled and virtual board, three times"
	@echo "make bench-anchors  two networks of MLPerf Tiny against its published latencies"
	@echo "make bench-fasm  300,000 features to configuration frames"
	@echo "make board-env  the environment with pynq and the virtual board (PYNQ=4.0.0 for another)"
	@echo "make clean   delete build/ and caches; the environment stays"
	@echo "make lock    resolve requirements.in again and write requirements.lock"

demo: tools $(STAMP)
	@$(RUN)/lepton build digits_cnn --board pynq_z2

test: tools $(STAMP)
	@$(RUN)/python -m pytest -n $(JOBS) --dist loadfile \
		$(or $(TESTS),--ignore=tests/open --ignore=tests/fuzz)
	@test -n "$(TESTS)" || $(MAKE) --no-print-directory hil

check: $(STAMP)
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .
	@$(RUN)/mypy

# Networks of the seeds from SEED on; one that failed fails again by its number: SEED=41 SEEDS=1.
# -rs: what was refused, and in which words.
SEED ?= 0
fuzz: tools $(STAMP)
	@LEPTON_SEED=$(SEED) LEPTON_EXAMPLES=$(if $(filter command line,$(origin SEEDS)),$(SEEDS),10) \
		$(RUN)/python -m pytest -n $(JOBS) -rs tests/fuzz

zoo: tools $(STAMP)
	@$(RUN)/python -m benchmarks.zoo

bench-sim: tools $(STAMP)
	@$(RUN)/python -m benchmarks.sim

bench-fifos: tools $(STAMP)
	@$(RUN)/python -m benchmarks.fifos

bench-kernels: $(STAMP)
	@$(RUN)/python -m benchmarks.kernels
	@$(RUN)/python -m benchmarks.kernels_weights

bench-reference: tools $(STAMP)
	@$(RUN)/python -m benchmarks.reference

bench-card: $(STAMP)
	@$(RUN)/python -m benchmarks.card $(if $(STORE),--store)

test-reference: $(STAMP)
	@LEPTON_EXAMPLES=1000 $(RUN)/python -m pytest tests/flow/test_reference_random.py \
		tests/flow/test_reference_qonnx.py

bench-folding: tools $(STAMP)
	@$(RUN)/python -m benchmarks.folding

bench-latency: tools $(STAMP)
	@$(RUN)/python -m benchmarks.latency

bench-certify: tools $(STAMP)
	@$(RUN)/python -m benchmarks.certify

bench-driver: $(STAMP)
	@$(RUN)/python -m benchmarks.driver

bench-serve: tools $(STAMP)
	@$(RUN)/python -m benchmarks.serve

bench-shell: tools $(STAMP)
	@$(RUN)/python -m benchmarks.shell

test-shell: tools $(STAMP)
	@LEPTON_EXAMPLES=1000 $(RUN)/python -m pytest tests/rtl/test_shell.py \
		tests/rtl/test_shell_cocotb.py

test-nightly: tools $(STAMP)
	@LEPTON_EXAMPLES=200 $(RUN)/python -m pytest tests/rtl -k configuration
	@LEPTON_EXAMPLES=200 $(RUN)/python -m pytest tests/rtl/test_weight_memory.py \
		tests/rtl/test_axi3_lite.py tests/rtl/test_serial.py tests/rtl/test_netlist_sim.py \
		tests/rtl/test_cells.py
	@LEPTON_EXAMPLES=200 $(RUN)/python -m pytest tests/open

# Two designs, since loading one after the other is part of it. On a real board: BOARD=ssh:HOST, and
# the designs with bitstreams for it in DESIGNS (folders that `lepton deploy` made).
DESIGNS ?= build/$(FLOW)/pynq_z2/deploy_virtual/design build/$(FLOW)_2bit/pynq_z2/deploy_virtual/design
designs: tools $(STAMP)
	@for flow in $(FLOW) $(FLOW)_2bit; do \
		$(RUN)/lepton deploy $$flow --board pynq_z2 --toolchain virtual || exit; done

hil: tools $(STAMP) $(BOARD_STAMP) designs
	@$(BOARD_VENV)/bin/python -m pytest tests/hil --board=$(BOARD) $(addprefix --design=,$(DESIGNS))

# FINN's own driver, in an environment of its own: it wants another grpcio than pynq's tools.
FINN_DRIVER := .venv-finn-driver
test-finn-driver: tools $(STAMP) $(FINN_DRIVER)/.stamp designs
	@$(FINN_DRIVER)/bin/python -m pytest tests/hil/test_finn_driver.py --board=virtual \
		$(addprefix --design=,$(DESIGNS))

# NVIDIA's client and Prometheus' parser, in an environment of their own: they bring a web client.
TRITON := .venv-triton
test-triton-client: $(STAMP) $(TRITON)/.stamp
	@LEPTON_PYTHON=$(RUN)/python $(TRITON)/bin/python -m pytest -p no:cacheprovider tests/clients

$(TRITON)/.stamp: requirements.triton
	@rm -rf $(TRITON) && $(PYTHON) -m venv $(TRITON)
	@$(TRITON)/bin/python -m pip install -q -r requirements.triton
	@touch $@

board-env: $(BOARD_STAMP)

# Vivado if it is there and knows the board, else open tools; or TOOLCHAIN=vivado, open, virtual.
TOOLCHAIN ?=
SEEDS ?= 2
bitstream: tools $(STAMP)
	@$(RUN)/lepton bitstream $(FLOW) --board $(if $(filter virtual,$(BOARD)),pynq_z2,$(BOARD)) \
		$(if $(TOOLCHAIN),--toolchain $(TOOLCHAIN)) --seeds $(SEEDS)

open-tools: $(STAMP)
	@$(RUN)/python -m lepton_hw.tools.open_tools

docker-build: $(STAMP)
	@$(RUN)/python -m lepton_hw.tools.container build

test-open: tools $(STAMP)
	@$(RUN)/python -m pytest tests/open

bench-synthesis: tools $(STAMP)
	@$(RUN)/python -m benchmarks.synthesis

bench-compare: tools $(STAMP) $(BOARD_STAMP)
	@$(RUN)/python -m benchmarks.compare $(if $(STORE),--store)

bench-anchors: tools $(STAMP)
	@$(RUN)/python -m benchmarks.anchors

bench-bitstreams: tools $(STAMP)
	@$(RUN)/python -m benchmarks.bitstreams

bench-fasm: $(STAMP)
	@$(RUN)/python -m benchmarks.fasm

clean:
	@rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis

tools:
	@for tool in g++ perl; do command -v $$tool >/dev/null || { \
		echo "$$tool was not found; expected g++, make and perl, which build the simulator;" \
			"install them (Debian, Ubuntu: apt install g++ make perl)." >&2; exit 1; }; done

# The stamp is written last and removed first: an install that was killed, or that failed, leaves
# none, and the next one starts from an empty environment.
$(STAMP): requirements.lock requirements.finn pyproject.toml
	@test -n "$(PYTHON)" || { \
		echo "No Python 3.11 was found; expected python3.11, or python3 of 3.11 or newer, on PATH;" \
			"install it (Debian 12: apt install python3 python3-venv) or run make" \
			"PYTHON=/path/to/python3.11." >&2; exit 1; }
	@$(PYTHON) -c "$(AT_LEAST)" || { \
		echo "$(PYTHON) is older than 3.11, or does not run; expected Python 3.11 or newer;" \
			"run make PYTHON=/path/to/python3.11." >&2; exit 1; }
	@test -e $(STAMP) || $(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) could not make an environment; expected its venv module to work;" \
			"install it (Debian, Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@rm -f $(STAMP)
	@echo "Installing the pinned stack into $(VENV) (minutes, and gigabytes with CUDA) ..."
	@{ $(RUN)/python -m pip install -q -r requirements.lock && \
	   $(RUN)/python -m pip install -q --no-deps -r requirements.finn && \
	   $(RUN)/python -m pip install -q --no-deps --no-build-isolation -e . ; } || { \
		echo "The packages could not be installed (pip's reason is above); expected access to a" \
			"package index and free disk space; run make again." >&2; exit 1; }
	@touch $(STAMP)

# An environment with pynq and the virtual board: its folder, what goes in, and pip's words for that.
define board_venv
	@test -n "$(PYTHON)" || { echo "No Python 3.11 was found; expected python3.11, or python3 of" \
		"3.11 or newer, on PATH; install it or run make PYTHON=/path/to/python3.11." >&2; exit 1; }
	@rm -rf $(1) && $(PYTHON) -m venv $(1)
	@echo "Installing $(2) into $(1) (a minute) ..."
	@{ $(1)/bin/python -m pip install -q -r requirements.board $(3) && \
	   PYTHONPATH=. $(1)/bin/python -m lepton_hw.virtual install >/dev/null ; } || { \
		echo "$(2) could not be installed (pip's reason is above); expected access to a package" \
			"index and free disk space; run make again." >&2; exit 1; }
	@touch $(1)/.stamp
endef

$(BOARD_STAMP): requirements.board
	$(call board_venv,$(BOARD_VENV),pynq $(PYNQ),pynq==$(PYNQ))

$(FINN_DRIVER)/.stamp: requirements.board requirements.finn-driver
	$(call board_venv,$(FINN_DRIVER),pynq with finn-plus-driver,-r requirements.finn-driver)

# finn-plus stays out of the lock (it would refuse it), CUDA's own packages too (torch pins them),
# and so do local versions such as +cpu.
lock:
	@rm -rf build/lock && $(PYTHON) -m venv build/lock
	@build/lock/bin/python -m pip install -q -r requirements.in -e .
	@{ sed -n '/^#/p' requirements.lock; \
	   build/lock/bin/python -m pip freeze --all --exclude-editable \
	   | grep -v -E '^(pip|wheel|triton|cuda-|nvidia-)' | sed 's/+[a-z0-9.]*$$//'; } > build/lock/new
	@mv build/lock/new requirements.lock && rm -rf build/lock
