import pytest
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.names import suffixes, text_name, wire_name


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        (".", b"\0"),
        ("consul", b"\6consul\0"),
        ("Python1.Service.consul.", b"\7python1\7service\6consul\0"),
        (r"a\.b.c", b"\3a.b\1c\0"),
        (r"a\032b", b"\3a b\0"),
    ],
)
def test_a_name_has_one_wire_form(text, wire):
    assert wire_name(text) == wire


@pytest.mark.parametrize("text", ["a..b", "x" * 64, ".".join(["a" * 60] * 5), ".a", "a\\"])
def test_what_is_no_name_is_refused(text):
    with pytest.raises(ValueError, match="name"):
        wire_name(text)


@given(st.lists(st.binary(min_size=1, max_size=20).map(bytes.lower), min_size=1, max_size=8))
def test_any_name_survives_being_written_as_text(labels):
    wire = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"

    assert wire_name(text_name(wire)) == wire


def test_suffixes_go_from_the_name_to_the_root():
    assert list(suffixes(b"\1a\1b\0")) == [b"\1a\1b\0", b"\1b\0", b"\0"]
