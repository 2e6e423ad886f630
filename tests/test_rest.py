"""Whatever an API answers is a value or a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panteras_dns.rest import _value


@given(st.binary())
def test_any_bytes_are_a_value_or_a_text(data):
    _value(data)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_what_is_nested_too_deep_is_a_text(opening):
    assert _value(opening.encode() * 200_000) == opening * 200_000
