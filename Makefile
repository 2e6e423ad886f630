# On a fresh machine with Python: `make demo` to try it, `make test` to trust it.
PYTHON ?= python3
VENV := .venv
IN := $(VENV)/bin
# Tests that mostly wait stand together: a worker that is done takes some of them over
SPREAD := --dist worksteal
FAST := -n 3 $(SPREAD) --ignore tests/e2e --ignore tests/stress --ignore tests/conformance

.PHONY: demo test conform conformance stress e2e bench bench-door bench-vpn bench-box soak lint docs site clean

demo: $(VENV)/ready  ## a sample catalogue on 127.0.0.1:5353
	$(IN)/panteras serve --demo

test: $(VENV)/ready  ## the fast suite with the C extension, and what touches sockets over plain ones
	PANTERAS_BATCH=plain $(IN)/pytest -n 3 $(SPREAD) tests/test_batch.py tests/transport
	PANTERAS_BATCH=native $(IN)/pytest $(FAST)

conform: $(VENV)/ready  ## the protocol, row by row
	$(IN)/pytest -n 4 $(SPREAD) tests/conformance

conformance: $(VENV)/ready  ## the same beside unbound, dnsmasq and dnsdist; writes docs/conformance.md
	$(IN)/python -m tests.conformance.report

stress: $(VENV)/ready  ## floods and chaos on loopback, two minutes
	$(IN)/pytest tests/stress

e2e: $(VENV)/ready  ## real Consul, real clients, real containers; as root, after .ci/install
	$(IN)/pytest tests/e2e

bench: $(VENV)/ready  ## beside dnsmasq, unbound, dnsdist and knot-resolver; writes docs/performance.md
	$(IN)/python -m benchmarks --write docs/performance.md

bench-door: $(VENV)/ready  ## the SSH door beside plain sshuttle; as root, after .ci/install; writes docs/ssh-door.md
	$(IN)/python -m benchmarks.door --write docs/ssh-door.md

bench-vpn: $(VENV)/ready  ## the VPN door beside OpenVPN with usual defaults, and easy-rsa; as root; writes docs/vpn-door.md
	$(IN)/python -m benchmarks.vpn --write docs/vpn-door.md

bench-box: $(VENV)/ready  ## how soon a page opens, beside HAProxy's own resolver; as root, after .ci/install; writes docs/balancer.md
	$(IN)/python -m benchmarks.box --write docs/balancer.md

soak: $(VENV)/ready  ## ten minutes at 70 % of what it can do, with new names all the time
	$(IN)/python -m benchmarks.soak

lint: $(VENV)/ready
	$(IN)/ruff check .
	$(IN)/ruff format --check .
	$(IN)/mypy

docs: $(VENV)/ready  ## the references of the configuration and of the commands, and compose.yaml, from the code
	sed -i '/^<!-- reference/q' docs/configuration.md
	(echo; $(IN)/python -m panteras_dns.reference) >> docs/configuration.md
	sed -i '/^<!-- reference/q' docs/commands.md
	(echo; $(IN)/python -m panteras_dns.synopsis) >> docs/commands.md
	$(IN)/python -c "from panteras_dns.box.compose import shipped; print(shipped(), end='')" > compose.yaml

SPHINX := $(IN)/sphinx-build --quiet --fail-on-warning --keep-going -c docs -d build/doctrees

site: $(VENV)/ready  ## the manual in build/site and build/man; a warning is an error, and so is what a reader would load from elsewhere
	rm -rf build/site build/man
	$(SPHINX) -b html . build/site
	$(SPHINX) -b man . build/man
	! grep -rEn --include='*.html' '(src|srcset|poster|data)="?(https?:)?//|<(link|form)[^>]* (href|action)="?(https?:)?//' build/site
	! grep -rEn --include='*.css' --include='*.js' '@import|url\(.?(https?:)?//|fetch\(.(https?:)?//|src *= *.(https?:)?//' build/site

clean:
	rm -rf $(VENV) build *.egg-info panteras_dns/*.so

$(VENV)/ready: pyproject.toml panteras_dns/_batch.c
	$(PYTHON) -m venv $(VENV)
	$(IN)/pip install --quiet --editable '.[dev]'
	touch $@
