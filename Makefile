# One command each: run, test, check. All need git, make and Python 3.11 or later, and nothing else.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2
ROWS ?= 900000
# Without compiled files, each parallel worker and each process that a test starts would compile everything again.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/python -m pytest --dist loadgroup -n

help:  ## list these targets
	@sed -nE 's/^##@ (.*)/\n\1/p; s/^([a-z-]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.venv/installed: requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; name one with make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

venv: .venv/installed  ## make .venv with the pinned dependencies

##@ Use it

run: venv  ## migrate, load the demo and serve on http://localhost:3001
	$(BIN)/python manage.py migrate --verbosity 0
	$(BIN)/python manage.py seed demo/seed.yaml
	@echo
	@echo 'Serving on http://localhost:3001. A first request, in another terminal:'
	@echo
	@echo '  curl --header "Gitlab-Shell-Api-Request: $$($(BIN)/python manage.py shell_token)" \'
	@echo '       --data "key_id=11&project=gnuwget/wget2&action=git-upload-pack&protocol=ssh" \'
	@echo '       http://localhost:3001/api/v4/internal/allowed'
	@echo
	export LOG_FORMAT=$${LOG_FORMAT:-text} LFS_EMBEDDED_UPLOADS=$${LFS_EMBEDDED_UPLOADS:-true}; trap 'kill $$worker 2>/dev/null' EXIT; \
	$(BIN)/python manage.py db_worker & worker=$$!; $(BIN)/gunicorn -c settings/gunicorn.py settings.wsgi

shell: venv  ## a Python shell with Django
	$(BIN)/python manage.py shell

demo: venv  ## clone and push over SSH on loopback, and see what is asked and answered
	@$(BIN)/python -m demo

##@ Test it

test: venv  ## everything, on SQLite and on PostgreSQL with Redis, both even if one fails; ARGS are pytest's
	@sqlite=passed; postgresql=passed; \
	$(MAKE) --no-print-directory test-sqlite || sqlite=failed; \
	$(MAKE) --no-print-directory test-postgresql || postgresql=failed; \
	echo "Tests on SQLite: $$sqlite. Tests on PostgreSQL: $$postgresql."; \
	[ "$$sqlite$$postgresql" = passedpassed ]

test-sqlite: venv  ## the pass on SQLite
	env -u DATABASE_URL -u REDIS_URL $(PYTEST) $(JOBS) $(ARGS)

# A good part of this pass waits for real processes: twice as many workers keep the cores busy meanwhile.
test-postgresql: venv  ## the pass on PostgreSQL and Redis
	$(BIN)/python -m tests.servers -- $(PYTEST) $$((2 * $(JOBS))) $(ARGS)

# As root: it makes machines of its own, with systemd (tests/deployment/pages.py). `make test` leaves these tests out.
# In the order of the files: what a page's machine is asked comes before what breaks and mends it.
deployment: venv  ## the deployment pages, typed into scratch machines; the image; fleets of nodes
	env -u DATABASE_URL -u REDIS_URL DEPLOYMENT=yes $(PYTEST) $(JOBS) -p no:randomly --dist loadfile --no-loadscope-reorder --durations 10 tests/deployment

lint: venv  ## format, lint, types, import contracts, migrations, Django's own checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/bandit -q -c pyproject.toml -r settings internal_api accounts repositories git_http kubernetes_agent scim storage_limits demo manage.py
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py spectacular --validate --fail-on-warn | diff docs/openapi.yaml - || { echo "The API has changed: make openapi"; exit 1; }

check: lint costs test  ## everything that has to hold

##@ Build and maintain it

production: venv  ## install as the image does, without what development needs, and check that it would start
	rm -rf var/production && $(PYTHON) -m venv var/production
	var/production/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/base.txt
	STATIC_ROOT=var/production/static var/production/bin/python manage.py collectstatic --noinput --verbosity 0
	test -f var/production/static/admin/css/base.css
	STATIC_ROOT=var/production/static EXTERNAL_URL=https://git.example.com var/production/bin/python -W error manage.py check --deploy --fail-level WARNING
	var/production/bin/gunicorn --check-config -c settings/gunicorn.py settings.wsgi

format: venv  ## put the code into its form
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

# Extras stay in the compiled files: without them pip looks for the newest release that has an extra, which no hash is known of.
requirements: venv  ## compile the pinned dependencies anew from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-strip-extras --python-version 3.11 -o requirements/base.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-strip-extras --python-version 3.11 --extra tracing -o requirements/tracing.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-strip-extras --python-version 3.11 --extra s3 -o requirements/s3.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-strip-extras --python-version 3.11 --extra dev -o requirements/dev.txt pyproject.toml
	echo 'cyclonedx-bom>=7.5' | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 -o requirements/sbom.txt -

##@ Test it for long

mutation: venv  ## change the access policy in a thousand ways, and see that a test notices each
	$(BIN)/mutmut run
	$(BIN)/mutmut results

fuzz: venv  ## a long run of bad input; EXAMPLES says how long
	EXAMPLES=$${EXAMPLES:-2000} $(PYTEST) $(JOBS) tests/test_bad_input.py tests/test_good_requests.py tests/test_openapi.py tests/test_fuzzed_parsers.py

chaos: venv  ## kill what can be killed, and print what was lost
	CHAOS_PUSHES=$${CHAOS_PUSHES:-1000} CHAOS_WAITING_PUSHES=$${CHAOS_WAITING_PUSHES:-2000} STRANGERS_SECONDS=$${STRANGERS_SECONDS:-10} $(BIN)/python -m tests.servers -- $(BIN)/python -m pytest -q -s tests/live/test_accepted_pushes.py tests/live/test_faults.py tests/live/test_slow_dependencies.py tests/live/test_hostile_strangers.py tests/live/test_webhooks.py
	LFS_MEGABYTES=$${LFS_MEGABYTES:-500} $(BIN)/python -m tests.servers -- $(BIN)/python -m pytest -q -s tests/live/test_git_lfs.py -k large_file
	DEPLOYMENT=yes CHAOS_ROUNDS=$${CHAOS_ROUNDS:-5} $(BIN)/python -m pytest -q -s tests/deployment/test_rolling.py tests/deployment/test_redis_faults.py

##@ Make what is made from the code

openapi: venv  ## write the API's description anew
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

reference: venv  ## write the pages of docs/reference that are made from the code
	$(BIN)/python -m testing.reference_pages

protocol: venv  ## compile the messages of Gitaly and kas again
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. repositories/gitaly/gitaly.proto kubernetes_agent/kas/kas.proto

##@ Measure it

costs: venv  ## SQL statements and Python calls of the requests that matter most; fails above their limits
	env -u DATABASE_URL -u REDIS_URL $(BIN)/python -m benchmarks --quick

bench-costs: venv  ## the same on PostgreSQL and Redis
	$(BIN)/python -m tests.servers -- $(BIN)/python -m benchmarks.costs 2>/dev/null

profile: venv  ## where the time of the requests that matter most goes, by layers
	$(BIN)/python -m tests.servers -- $(BIN)/python -m benchmarks.layers 2>/dev/null

bench: venv  ## the service beside its floor over the wire, at 100,000 people: about half an hour (OPTIONS=--help)
	env -u DATABASE_URL -u REDIS_URL $(BIN)/python -m benchmarks $(OPTIONS)

bench-pushes: venv  ## how long pushes of many refs take, on PostgreSQL
	$(BIN)/python -m tests.servers -- $(BIN)/python -m benchmarks.push_of_many_refs

bench-threads: venv  ## what the threads of a gunicorn process cost
	env -u DATABASE_URL -u REDIS_URL $(BIN)/python -m benchmarks.threads

bench-worker: venv  ## CPU of a worker for each followed push, and how long a push takes to its webhooks
	$(BIN)/python -m tests.servers -- $(BIN)/python -m benchmarks.worker

bench-scim: venv  ## provisioning by SCIM at size, on PostgreSQL
	$(BIN)/python -m tests.servers -- $(BIN)/python -m benchmarks.scim

bench-seed: venv  ## dump_seed and seed of a generated company, on PostgreSQL (OPTIONS="--users 100000 --check")
	env -u DATABASE_URL -u REDIS_URL $(BIN)/python -m benchmarks.seed_files $(OPTIONS)

bench-lfs: venv  ## a batch of 1,000 LFS objects and the pre-authorisation of an upload, on PostgreSQL
	$(BIN)/python -m tests.servers -- $(BIN)/python -m benchmarks.lfs_batch

bench-metrics: venv  ## what the pages of metrics cost with full tables, on PostgreSQL (ROWS=9000000)
	ROWS=$(ROWS) $(BIN)/python -m tests.servers -- $(BIN)/python -m benchmarks.metrics_pages

bench-backup: venv  ## backup_database while the service answers, on SQLite (ROWS=9000000)
	ROWS=$(ROWS) $(BIN)/python -m benchmarks.sqlite_backup

.PHONY: bench-lfs bench-backup bench-metrics bench-seed deployment costs bench-costs bench-threads profile mutation fuzz chaos demo openapi production bench bench-pushes bench-scim bench-worker protocol reference shell help venv run test test-sqlite test-postgresql lint check format requirements
