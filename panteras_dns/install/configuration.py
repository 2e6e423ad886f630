"""What the gateway must know by itself once resolv.conf names nobody but the gateway: routes, as text for its
configuration. Nothing that stands there already is changed. Pure."""

import json
from collections.abc import Sequence

from panteras_dns.config import DEFAULT_FILE, Config, RouteConfig, parse
from panteras_dns.install.trouble import Trouble
from panteras_dns.options import RESOLV_CONF, ConfigError

FILE = str(DEFAULT_FILE)


def configured(text: str) -> Config:
    """`Trouble` for a file that the gateway would not start with."""
    try:
        return parse(text, FILE)
    except ConfigError as problem:
        raise Trouble(problem.errors[0]) from None


def completed(text: str, consul: Sequence[str], upstream: Sequence[str]) -> str:
    """*text* with routes to *consul* and *upstream* behind it; unchanged where it has these routes."""
    config = configured(text)
    wanted = [("consul", route, consul) for route in [_consul(config)] if consul]
    wanted += [("forward", route, upstream) for route in [_rest(config)] if upstream]
    added = []
    for kind, route, servers in wanted:
        if route is None:
            added.append(_route(kind, servers))
        elif [str(one) for one in route.servers] != list(servers):
            option = "--consul" if kind == "consul" else "--upstream"
            has = ", ".join(map(str, route.servers))
            raise Trouble(f"{FILE}: the route for {route.name!r} has {has}: change it there, and leave {option} out")
    made = "\n".join([*([text.rstrip("\n") + "\n"] if text.strip() else []), *added]) if added else text
    configured(made)
    return made


def consul_domain(text: str) -> str:
    """Under which the gateway has Consul's names."""
    route = _consul(configured(text))
    return route.name if route else "consul"


def has_upstreams(config: Config) -> bool:
    """Whether it has servers of its own for all other names."""
    route = _rest(config)
    return route is not None and RESOLV_CONF not in route.servers


def follows_resolv_conf(config: Config) -> bool:
    """Whether it asks those of resolv.conf, which will be ourselves."""
    route = _rest(config)
    return route is not None and RESOLV_CONF in route.servers


def _consul(config: Config) -> RouteConfig | None:
    return next((route for route in config.route if route.kind == "consul"), None)


def _rest(config: Config) -> RouteConfig | None:
    return next((route for route in config.route if "." in route.domains), None)


def _route(kind: str, servers: Sequence[str]) -> str:
    domain, kinds = ("consul", 'kind = "consul"\n') if kind == "consul" else (".", "")
    return f"[[route]]\ndomains = {json.dumps([domain])}\nservers = {json.dumps(list(servers))}\n{kinds}"
