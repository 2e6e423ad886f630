"""HAProxy's configuration: ours or the user's own template, filled with nothing but what was checked."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from cargo import TEXT, an_instance, services
from hypothesis import given, settings
from hypothesis import strategies as st

from panteras_dns.box.layout import BadTemplate, Layout, map_text
from panteras_dns.box.site import Backend, Names, Server, Site, site
from panteras_dns.box.steps import CHECK

RUN = Path("/run/panteras/balancer")
LAYOUT = Layout(RUN, ("10.0.0.5:80", "[fd00::5]:80"), ("127.0.0.1:81",))
EMPTY = Site({}, {})
PAGE = f"    server page unix@{RUN}/page.sock backup"  # says why nobody is left


def lines(found: Site = EMPTY, layout: Layout = LAYOUT) -> list[str]:
    return layout.configuration(found).splitlines()[:-1]  # the last is the frame


FRAME = [line for line in lines() if line]


def backends(found: Site) -> list[str]:
    """The lines that a site adds to an empty one: those of its services."""
    whole = [line for line in lines(found) if line]
    assert whole[: len(FRAME)] == FRAME
    return whole[len(FRAME) :]


def own(text: str, directory: Path) -> Layout:
    file = directory / "own.j2"
    file.write_text(text)
    return Layout(RUN, ("10.0.0.5:80",), (), "haproxy", file)


def test_the_files_are_in_the_directory_it_runs_in() -> None:
    assert (LAYOUT.file, LAYOUT.routes) == (RUN / "haproxy.cfg", RUN / "routes.map")


def test_it_listens_where_it_is_told_for_names_and_for_statistics() -> None:
    assert [line for line in lines() if line.startswith(("frontend", "    bind"))] == [
        "frontend names",
        "    bind 10.0.0.5:80",
        "    bind [fd00::5]:80",
        "frontend statistics",
        "    bind 127.0.0.1:81",
    ]


def test_without_a_place_for_statistics_there_are_none() -> None:
    assert "frontend statistics" not in lines(layout=Layout(RUN, ("10.0.0.5:80",), ()))


def test_it_becomes_the_user_that_is_said_and_nobody_else() -> None:
    said = [line for line in lines(layout=Layout(RUN, (), (), "haproxy")) if re.match("    (user|group) ", line)]

    assert said == ["    user haproxy", "    group haproxy"]
    assert [line for line in lines() if re.match("    (user|group) ", line)] == []


def test_without_services_there_is_the_front_page_alone() -> None:
    assert [line for line in lines() if line.startswith("backend ")] == ["backend panteras"]
    assert f"    server page unix@{RUN}/page.sock" in lines()
    assert "    default_backend panteras" in lines()


def test_each_backend_has_its_servers_with_their_weights() -> None:
    made = Backend("web.service", {
        "i-a": Server("i-a", "10.0.0.5", 8000, 1),
        "i-b": Server("i-b", "fd00::5", 8001, 0),
    })  # fmt: skip

    assert backends(Site({"web.service": made, "empty.service": Backend("empty.service")}, {})) == [
        "backend web.service",
        "    balance roundrobin",
        PAGE,
        f"    server i-a 10.0.0.5:8000 weight 1 {CHECK}",
        f"    server i-b [fd00::5]:8001 weight 0 {CHECK}",
        "backend empty.service",
        "    balance roundrobin",
        PAGE,
    ]


@pytest.mark.parametrize(("strip", "pattern"), [("/api", "/api"), ("/v1.2/x", "/v1[.]2/x"), ("/~a-b", "/~a-b")])
def test_what_is_stripped_is_meant_letter_by_letter(strip, pattern) -> None:
    assert backends(Site({"a": Backend("a", {}, strip)}, {})) == [
        "backend a",
        "    balance roundrobin",
        rf"    http-request replace-path ^{pattern}/*(.*)$ /\1",
        PAGE,
    ]


def test_a_configuration_ends_with_one_line_break() -> None:
    text = LAYOUT.configuration(EMPTY).rpartition("# frame")[0]

    assert text == text.rstrip() + "\n"


def test_the_map_is_in_order_a_route_a_line() -> None:
    assert map_text({"b.c/": "two", "*/a": "one", "a.b/": "one"}) == "*/a one\na.b/ one\nb.c/ two\n"
    assert map_text({}) == ""


def test_a_template_of_the_user_s_own_is_filled_with_the_same(tmp_path: Path) -> None:
    text = (
        "{{ run }} {{ routes }} {{ listen[0] }} {{ statistics | length }} {{ user }} {{ own }}\n"
        "{% for one in backends %}{{ one.name }} {{ one.strip | pattern }}{% endfor %}\n\n\n"
    )
    found = Site({"a.b": Backend("a.b", {}, "/v1.2")}, {})

    assert own(text, tmp_path).configuration(found).rpartition("# frame: ")[0] == (
        f"{RUN} {RUN}/routes.map 10.0.0.5:80 0 haproxy panteras\na.b /v1[.]2\n"
    )


def test_the_frame_is_another_with_the_template_and_the_places_and_the_same_for_all_services(tmp_path: Path) -> None:
    def frame(layout: Layout, found: Site = EMPTY) -> str:
        return layout.configuration(found).splitlines()[-1]

    text = "{% for one in backends %}\nbackend {{ one.name }}\n    balance WAY\n{% endfor %}"
    found = Site({"a": Backend("a", {})}, {"a/": "a"})

    assert frame(LAYOUT).startswith("# frame: ")
    assert frame(LAYOUT) == frame(LAYOUT, found)
    assert frame(LAYOUT) != frame(replace(LAYOUT, listen=("10.0.0.6:80",)))
    first, second = (frame(own(text.replace("WAY", way), tmp_path)) for way in ("roundrobin", "leastconn"))
    assert first != second


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("global\n{% if %}\n", "line 2: Expected an expression, got 'end of statement block'"),
        ("global\n\n{{ x | nonsense }}\n", "line 3: No filter named 'nonsense'."),
        ("{% for x in backends %}", "line 1: Unexpected end of template."),
    ],
)
def test_a_template_that_is_none_is_told_with_its_file_and_line(text, why, tmp_path: Path) -> None:
    with pytest.raises(BadTemplate) as told:
        own(text, tmp_path).configuration(EMPTY)

    assert str(told.value).startswith(f"{tmp_path}/own.j2: {why}")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ nonsense }}", "'nonsense' is undefined"),
        ("{{ run.nonsense }}", "has no attribute 'nonsense'"),
        ("{{ listen[7] }}", "has no element 7"),
        ("{{ run() }}", "is not callable"),
        ("{% include 'other' %}", "no loader"),
    ],
)
def test_a_template_that_can_not_be_filled_is_told_with_its_file(text, why, tmp_path: Path) -> None:
    with pytest.raises(BadTemplate) as told:
        own(text, tmp_path).configuration(EMPTY)

    assert str(told.value).startswith(f"{tmp_path}/own.j2: ")
    assert why in str(told.value)


def test_a_template_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadTemplate, match=r"none\.j2: No such file or directory"):
        Layout(RUN, (), (), "", tmp_path / "none.j2").configuration(EMPTY)
    (tmp_path / "odd.j2").write_bytes(b"\xff")
    with pytest.raises(BadTemplate, match=r"odd\.j2: not UTF-8"):
        Layout(RUN, (), (), "", tmp_path / "odd.j2").configuration(EMPTY)


WORDS = st.sampled_from(
    ["/", ";", "\n", "'", '"', " ", "strip=/", "a.b", "#", "\\", "{{ 7*7 }}", "{% raw %}", "${HOME}"]
)
ANYTHING = st.lists(WORDS | TEXT, max_size=6).map("".join)
A_SERVICE = st.tuples(
    st.sampled_from(["web", "shop"]) | ANYTHING,
    st.lists(
        st.builds("{}{}".format, st.sampled_from(["", "urlprefix-", "paas-", "urlprefix-/"]), ANYTHING), max_size=3
    ),
    ANYTHING,
)


@given(st.lists(A_SERVICE, max_size=3))
@settings(max_examples=40)  # a template is read anew each time
def test_whatever_services_say_the_configuration_has_the_lines_of_their_backends_and_no_other(said) -> None:
    found = site(
        services(*(an_instance(name, tags=["http", *tags], id=key, node=key) for name, tags, key in said)), Names()
    )

    expected = []
    for one in found.backends.values():
        expected += [f"backend {one.name}", "    balance roundrobin"]
        if one.strip:
            expected.append(rf"    http-request replace-path ^{one.strip.replace('.', '[.]')}/*(.*)$ /\1")
        expected.append(PAGE)
        expected += [f"    server {name} 10.0.0.5:8000 weight 1 {CHECK}" for name in one.servers]
    assert backends(found) == expected
    assert all(re.fullmatch(r"[!-~]+ [!-~]+", line) for line in map_text(found.routes).splitlines())
    assert len(map_text(found.routes).splitlines()) == len(found.routes)
    assert not re.search(r"[;'\"\\#{}]", map_text(found.routes))
