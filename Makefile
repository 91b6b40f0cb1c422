# Everything except build and lint needs a Docker Engine. scripts/engine uses the engine that
# answers, or installs and starts an engine.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
export DESTDIR PREFIX SYSCONFDIR UNITDIR ZSHDIR
.DEFAULT_GOAL := help

version := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
release := -trimpath -ldflags "-s -w -X gitlab-dind-executor/driver/label.Version=$(version)"

# The output of go test as JSON lies outside of the repository, beside the files of the scripts.
cache := $(or $(GITLAB_DIND_EXECUTOR_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/gitlab-dind-executor)
# TESTSUM takes more flags of gotestsum, as "--junitfile FILE".
TEST_JSON ?= $(cache)/test.json

.PHONY: help build docs install uninstall release demo test test-browser test-engines test-gvisor test-host test-runner chaos bench picture lint outdated engine clean

# These build with Go, so they look first whether the go in PATH is new enough. install copies.
build docs release test test-browser lint engine test-engines test-gvisor test-host test-runner chaos bench demo picture outdated: goversion

.PHONY: goversion
goversion:
	@scripts/goversion

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(firstword $(MAKEFILE_LIST)) | \
		while IFS='|' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

build: ## Build bin/gitlab-dind-executor, a static binary, and its manuals
	@CGO_ENABLED=0 go build $(release) -o bin/gitlab-dind-executor .
	@go run ./scripts/manuals -version "$(version)" bin/share

docs: ## Write the pages that are made from the code: docs/settings.md
	@go generate ./config

# Root need not have go, because install only copies the files of make build. DESTDIR, PREFIX
# (/usr/local), SYSCONFDIR (/etc), UNITDIR and ZSHDIR are honoured.
install: ## Copy binary, manuals, completions and units below DESTDIR and PREFIX
	@[[ -x bin/gitlab-dind-executor && -d bin/share ]] || $(MAKE) --no-print-directory build
	@scripts/install

uninstall: ## Remove the installed files; settings stay
	@scripts/install uninstall

# SIGNING_KEY=FILE adds a signed repository for apt and dnf; scripts/release and
# scripts/repository name more variables.
release: ## Build dist: binaries for amd64 and arm64, .deb, .rpm, SBOM, sums; SIGNING_KEY=FILE adds a repository
	@scripts/shown -- scripts/release

# The demo is built rather than run by "go run". So a signal to make reaches the program itself,
# which must clean up.
demo: engine build ## Run a pipeline that builds and pushes an image, and compare the engine before and after
	@go build -o bin/demo ./scripts/demo
	@bin/demo -executor bin/gitlab-dind-executor

test: lint engine ## Check the code and run all tests
	@scripts/compiler
	@scripts/prometheus >/dev/null
	@scripts/repository tools
	@mkdir -p "$(dir $(TEST_JSON))"
	@$$(go -C scripts/tools tool -n gotestsum) --format pkgname --jsonfile "$(TEST_JSON)" $(TESTSUM) \
		--post-run-command scripts/aftertests --ignore-non-json-output-lines --raw-command -- scripts/gotest

# chaos is the long form of the 4 jobs in test. It also stalls and restarts the engine, if
# scripts/engine started the engine. Other programs' containers on this engine die then. CHAOS
# takes more flags: -seed N repeats a run, -first N -rounds 1 -hits 1 a single round of a run,
# and -restart-engine=false spares the engine.
chaos: engine ## Break 60 jobs at random moments and count leftovers; CHAOS="-seed N" repeats a run
	@go test -c -o bin/chaos.test ./test/chaos
	@cd test/chaos && ../../bin/chaos.test -test.run TestChaos -test.v -test.timeout 60m \
		-rounds 60 -hits 200 -duration 40m -restart-engine $(CHAOS)

# test-engines is the long form of the other engine in test. ENGINES are the Debian releases
# whose engines get a host, a container. INNER are the releases of the daemons in sidecars.
# ENGINE is the address of an existing engine instead, with images of its registries.
# TESTENGINES takes more flags, as -jobs REGEXP or -logs.
ENGINES ?= bookworm,trixie,forky
INNER ?= bookworm,trixie,forky,containerd
test-engines: export DOCKER_HOST := $(or $(ENGINE),$(DOCKER_HOST))
test-engines: ## Run jobs on other engines with each daemon in the sidecar, or on ENGINE=unix:///run/docker.sock
	@scripts/engine
	@scripts/images
	@[[ "$(ENGINE)" ]] || scripts/engines bookworm forky
	@DIND_E2E_LONG=1 go test ./test/e2e -run 'TestProgramsTouchNothingOfOthers|TestEachGenerationOfTheRunner|TestMergeRequestsShare|TestOneSandboxDoesNotReadAnothers|TestAJobBeginsInABare|TestAScriptThatNeedsNoDaemon|TestJobsAtOnceAndOtherRefs' -count=1 -timeout 45m
	@scripts/repository tools
	@DIND_E2E_LONG=1 go test ./test/packages -run TestWalks -count=1 -timeout 30m
	@go test -c -o bin/engines.test ./test/engines
	@cd test/engines && ../../bin/engines.test -test.run TestEngines -test.v -test.timeout 4h \
		$(if $(ENGINE),-here,-engines "$(ENGINES)" -inner "$(INNER)" -two-hosts) $(TESTENGINES)

# gVisor's own tests come first, then tests of other jobs, then broken jobs. Images of forky
# serve later daemons in sidecars.
GVISOR_JOBS := ^Test(BuildTagAndPush|OwnDindImage|FourStages|PlaintextHabit|NothingDeclared|LoginByStdin|Compose|ContainerWithTheDaemonsSocket|WaysToBuild|JobKnowsTheCAs|InsecureRegistry|RedisAndPostgres|RunIsKilled|RunnerIsKilled|PrepareIsKilled|SidecarIsEnded|AJobTakesASandbox|ABaseImageCrosses|Cancel|Timeout|InnerContainers)
test-gvisor: ## Run jobs whose docker daemons have a kernel of their own, gVisor's
	@scripts/gvisor
	@scripts/images
	@scripts/engines forky
	@go test -c -race -tags gvisor -o bin/gvisor.test ./test/e2e
	@go test -c -o bin/chaos.test ./test/chaos
	@go test -c -o bin/engines.test ./test/engines
	@cd test/e2e && ../../bin/gvisor.test -test.v -test.timeout 60m -test.run TestGVisor
	@cd test/engines && ../../bin/engines.test -test.v -test.timeout 60m -test.run TestEngines -runsc "$(cache)/runsc"
	@cd test/e2e && DIND_LAB_PRIVILEGE=gvisor ../../bin/gvisor.test -test.v -test.timeout 60m -test.run '$(GVISOR_JOBS)'
	@cd test/chaos && DIND_LAB_PRIVILEGE=gvisor ../../bin/chaos.test -test.v -test.timeout 60m -test.run TestChaos -rounds 12 -hits 40 -duration 15m

# The program looks for the Runner before make installs or builds the rest.
RUNNER ?= gitlab-runner
test-runner: ## Run jobs with a real GitLab Runner instead of our stand-in: RUNNER=/usr/bin/gitlab-runner
	@go build -o bin/runnertest ./scripts/runnertest
	@bin/runnertest -check -runner "$(RUNNER)"
	@$(MAKE) --no-print-directory engine build
	@bin/runnertest -executor bin/gitlab-dind-executor -runner "$(RUNNER)" $(RUNNERTEST)

# test-host takes half an hour where QEMU must emulate. HOSTTEST takes flags of go test, as
# "-run TestDebian13/jobs".
test-host: engine ## Boot whole hosts, Debian 13 and forky, in QEMU, and see the product at work on them
	@mkdir -p "$(dir $(TEST_JSON))"
	@$$(go -C scripts/tools tool -n gotestsum) --format testname --jsonfile "$(TEST_JSON:.json=-host.json)" $(TESTSUM) \
		--post-run-command scripts/aftertests --ignore-non-json-output-lines --raw-command -- \
		nice -n 10 go test -json -tags host -count=1 -timeout 4h ./test/host $(HOSTTEST)

# BENCH takes flags: -only KEYS and -rounds N for a quick try. A named RUNNER drives both sides,
# and its docker executor is the other side.
bench: engine build ## Compare with the docker executor, side by side; writes bench.json and docs/performance.*
	@go build -o bin/bench ./scripts/bench
	@bin/bench -executor bin/gitlab-dind-executor -docs docs $(if $(filter file,$(origin RUNNER)),,-runner "$(RUNNER)") $(BENCH)

picture: engine build ## Draw docs/job-log.svg anew, from a new job
	@go build -o bin/joblog ./scripts/joblog
	@bin/joblog -record

# The browser is chromium of the distribution. DIND_SCREENSHOTS names a directory for pictures.
test-browser: ## Open the page of explain --html in chromium, narrow and wide
	@go test -tags browser -count=1 ./executor/story

lint: ## Check format, Go and shell with their analysers
	@scripts/lint

outdated: ## List modules that are behind their newest release
	@scripts/outdated

engine:
	@scripts/engine
	@scripts/shown -steps 9 -ends '(built|official image)\)$$' -- scripts/images

clean: ## Remove built files; the engine and its images stay
	rm -rf bin dist bench.json
