# The commands of the README. `make help` lists them.
VENV ?= .venv
# The first Python that coremltools has wheels for; set PYTHON to choose another.
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.13; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Using and making bundles needs less than developing; where all of that is there, it serves.
EXPORT_READY := $(if $(wildcard $(READY)),$(READY),$(VENV)/.export)
RUN_READY := $(if $(wildcard $(EXPORT_READY)),$(EXPORT_READY),$(VENV)/.run)
CHECKPOINT := miniature
DEMO := build/demo
BUNDLE := $(DEMO)/bundle
FULL ?= build/full-size
SWIFT := build/swift
APP := build/app-check
# On a Mac, `swift build` reads the app's sources with the frameworks themselves.
APP_CHECK := $(if $(filter Linux,$(shell uname)),app-check)
EMBEDDED := ios_app/App/Embedded/miniature
# Of one thread each; they wait for processes now and then, so that three fill two cores; 2 GB of memory
# a job. Bytecode is kept, whatever the environment says: without it every process compiles the tests and
# the package anew.
JOBS ?= 3
suite = OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(1)/bin/python -m pytest -m 'not full_size and not installs' -n $(JOBS) --dist loadfile $(2)
export HF_HUB_DISABLE_TELEMETRY = 1

# Environments of the versions that pyproject.toml allows, beside the tested one.
LOWEST := build/lowest
NEWEST := build/newest
UV := build/uv/bin/uv
# Which build of torch: empty takes PyPI's, on Linux one for CUDA; `cpu` spares gigabytes there, from
# PyTorch's own index.
TORCH ?=
TORCH_INDEX := https://download.pytorch.org/whl/$(TORCH)
# What test-installs tries, `core` being none of them.
EXTRAS ?= core run mlx onnx serve jetson coreai export
# The miniature for ONNX Runtime, for those who have no torch (docs/install.md).
LIGHT ?= miniature-onnx

# What pip downloads for an extra, by the wheels of constraints.txt for Python 3.11 (docs/install.md).
size_dev := 3.3 GB on Linux (0.5 GB with TORCH=cpu), 0.4 GB on a Mac
size_export := 3.1 GB on Linux (0.3 GB with TORCH=cpu), 0.3 GB on a Mac
size_run := 65 MB
needs_python = test -n "$(PYTHON)" || \
	{ echo "error: needs Python 3.11, 3.12 or 3.13; set PYTHON=..." >&2; exit 2; }
define install
	@$(needs_python)
	@echo "installs .[$(1)] into $(VENV): downloads $(size_$(1)); a GB takes 80 s at 100 Mbit/s"
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH),$(BIN)/pip install -c constraints.txt --index-url $(TORCH_INDEX) torch torchvision)
	$(BIN)/pip install --upgrade-strategy only-if-needed -c constraints.txt -e '.[$(1)]'
	@touch $@
endef

.PHONY: help setup demo demo-light test test-fast coverage test-swift app-check app-bundle test-lowest \
	test-newest test-installs test-full check format \
	parity conformance bench bench-export bench-evaluator torture miniature clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(READY) ## make a virtual environment with the tested versions

$(READY): pyproject.toml constraints.txt
	$(call install,dev)

$(VENV)/.export: pyproject.toml constraints.txt
	$(call install,export)

$(VENV)/.run: pyproject.toml constraints.txt
	$(call install,run)

demo: $(EXPORT_READY) ## export the miniature, verify it, let it draw, edit, answer and chat; a page
	$(BIN)/mobileo-export demo --output $(DEMO)

demo-light: $(RUN_READY) ## draw, answer and chat with LIGHT=miniature-onnx: 65 MB, no torch
	@test -d $(LIGHT) || { echo "error: $(LIGHT): no such folder; docs/install.md says where the" \
		"miniature for ONNX Runtime comes from" >&2; exit 2; }
	mkdir -p build
	$(BIN)/mobileo-export generate $(LIGHT) "three red circles on a white background" -o build/light.png
	$(BIN)/mobileo-export ask $(LIGHT) build/light.png "How many shapes are there?"
	printf 'My name is Ada.\nWhat is my name?\n' | $(BIN)/mobileo-export chat $(LIGHT)

test: $(READY) ## run the tests (no full-size ones), JOBS=3 files at a time
	$(call suite,$(VENV))
	@if command -v swift >/dev/null; then $(MAKE) test-swift $(APP_CHECK); else \
		echo "not run: the tests of the Swift package (ios_app/Tests), since swift is not on PATH"; fi

test-swift: ## lint, build and test the Swift package; what needs Python too is skipped without it
	@if test -x $(BIN)/python; then $(MAKE) $(SWIFT)/.ready; else \
		echo "no $(BIN)/python (make setup): sweeps, replay, damages and serve will be skipped"; fi
	swift format lint --strict --recursive Package.swift ios_app
	swift build -c release --build-tests -j $(JOBS)
	mkdir -p $(SWIFT)/png $(SWIFT)/reports
	MOBILEO_PNG=$(abspath $(SWIFT)/png) MOBILEO_REPORTS=$(abspath $(SWIFT)/reports) MOBILEO_EXPORT=$(abspath $(BIN)/mobileo-export) \
		swift test -c release --skip-build
	@if test -x $(BIN)/python; then $(BIN)/python ios_app/Tests/Python/sweep.py --check $(SWIFT)/png && \
		$(BIN)/mobileo-export bench-report $(SWIFT)/reports/bench.json $(SWIFT)/reports/replay.json \
		-o $(SWIFT)/reports/report.html; fi

# The sources that need Apple's frameworks or MLX, read on Linux against stand-ins (ios_app/Stubs).
app-check: export MOBILEO_STAND_INS = 1
app-check: $(READY) ## compile and test the app's engine and screens without a Mac; check its project
	@test "$$(uname)" = Linux || { echo "error: on a Mac, Xcode builds the app: see docs/ios.md" >&2; exit 2; }
	swift format lint --strict --recursive Package.swift ios_app
	swift build --scratch-path $(APP) --build-tests -j $(JOBS) -Xswiftc -warnings-as-errors
	swift test --scratch-path $(APP) --skip-build --filter MobileOEngineTests
	MOBILEO_APP_CHECK=$(abspath $(APP)) $(BIN)/python -m pytest -q -n $(JOBS) --dist load \
		tests/test_planted_errors.py tests/test_stand_ins.py tests/test_ios_project.py

# What Python computes, for the Swift tests to compare with: anew when either side changes.
$(SWIFT)/.ready: $(wildcard ios_app/Tests/Python/*.py) $(shell find mobileo_export/ -name '*.py')
	rm -rf $(SWIFT)/sweep $(SWIFT)/damages $(SWIFT)/png $(SWIFT)/reports
	$(BIN)/python ios_app/Tests/Python/tables.py --check
	$(BIN)/python ios_app/Tests/Python/sweep.py $(SWIFT)/sweep
	$(BIN)/mobileo-export export $(CHECKPOINT) --output $(SWIFT)/bundle --overwrite --quiet
	$(BIN)/mobileo-export record $(SWIFT)/bundle --checkpoint $(CHECKPOINT) --no-parity --quiet
	$(BIN)/python ios_app/Tests/Python/toy.py $(SWIFT)/bundle $(SWIFT)/toy.json
	$(BIN)/python ios_app/Tests/Python/served.py $(SWIFT)/bundle $(SWIFT)/served
	$(BIN)/python ios_app/Tests/Python/damages.py $(SWIFT)/bundle $(SWIFT)/damages
	@touch $@

app-bundle: $(EXPORT_READY) ## the miniature, recorded, where the app embeds it: then it needs no download
	mkdir -p $(dir $(EMBEDDED))
	$(BIN)/mobileo-export export $(CHECKPOINT) --output $(EMBEDDED) --overwrite --golden

test-lowest: $(LOWEST)/.ready ## run the tests with the lowest versions that pyproject.toml allows
	$(call suite,$(LOWEST))

test-newest: $(NEWEST)/.ready ## run the tests with the newest versions that pyproject.toml allows
	$(call suite,$(NEWEST))

$(LOWEST)/.ready $(NEWEST)/.ready: build/%/.ready: pyproject.toml $(UV)
	$(UV) venv --quiet --clear --python $(PYTHON) build/$*
	VIRTUAL_ENV=build/$* $(UV) pip install --quiet $(if $(TORCH),--torch-backend $(TORCH)) \
		--resolution $(if $(filter lowest,$*),lowest-direct,highest) -e '.[dev]'
	@touch $@

$(UV):
	@$(needs_python)
	$(PYTHON) -m venv build/uv
	build/uv/bin/pip install --quiet uv

# Newest versions and all, as messages have it: each environment is bare, and removed afterwards.
test-installs: $(READY) ## the wheel in real environments, one for each of EXTRAS; takes TORCH=cpu
	MOBILEO_INSTALLS='$(EXTRAS)' $(if $(TORCH),PIP_EXTRA_INDEX_URL=$(TORCH_INDEX)) \
		$(BIN)/python -m pytest -m installs tests/absent

coverage: $(READY) ## the tests with every line and branch that they run, children included
	mkdir -p build/coverage
	$(call suite,$(VENV),--cov --cov-report=term)

test-fast: $(READY) ## the tests that need no export and run no whole program: under two minutes
	$(call suite,$(VENV),--fast)

test-full: $(READY) ## run the full-size tests: an hour, 15 GB of disk
	MOBILEO_FULL_SIZE=$(abspath $(FULL)) $(BIN)/python -m pytest -m full_size

check: $(READY) ## ruff, mypy, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

format: $(READY) ## apply ruff's fixes and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

parity: $(BUNDLE)/manifest.json ## compare the miniature's bundle with PyTorch, and damage it
	$(BIN)/python -m pytest parity_tests --bundle $(BUNDLE) --checkpoint $(CHECKPOINT)
	$(BIN)/mobileo-export verify $(BUNDLE) --checkpoint $(CHECKPOINT) --mutations --report build/parity-report

$(BUNDLE)/manifest.json: $(READY)
	$(BIN)/mobileo-export export $(CHECKPOINT) --output $(BUNDLE) --overwrite

conformance: $(READY) ## run coremltools' own operation tests through the evaluator
	$(BIN)/python -m tests.conformance --every 16

bench: bench-export bench-evaluator ## every benchmark

bench-export: $(READY) ## time and memory of a full-size export, beside a straightforward one; profile
	$(BIN)/python -m benchmarks.export_cost --workdir $(FULL)
	$(BIN)/python -m benchmarks.export_profile $(FULL)/checkpoint-0.5b --workdir $(FULL)

bench-evaluator: $(READY) ## time and memory of the evaluator beside PyTorch, at full size
	$(BIN)/python -m benchmarks.evaluator_cost $(FULL)/checkpoint-0.5b $(FULL)/bundle

torture: $(READY) ## kill, starve and deceive exports, and hostile inputs by the thousand; resumes
	$(BIN)/python -m tests.faults --kills 300 --whole 30 --work build/faults
	$(BIN)/python -m tests.fuzz --cases 20000 --jobs 2 --work build/fuzz

miniature: $(READY) ## train the miniature: 2 hours on two cores; interrupted, it goes on
	$(BIN)/python -m miniature run --work build/miniature
	$(BIN)/python -m miniature install --work build/miniature --output mobileo_export/assets/miniature

clean: ## remove what the targets made, .venv excepted
	rm -rf build
