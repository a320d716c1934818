"""Addresses that this process would fetch from are looked at after they are resolved."""

import pytest

from mellea.core.addresses import check_public, without_user
from mellea.core.errors import UsageError


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:11434/image.png",
        "http://localhost/image.png",
        "http://[::1]/image.png",
        "http://10.0.0.1/image.png",
        "http://192.168.1.1/image.png",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:10.0.0.1]/image.png",
        "http://0.0.0.0/image.png",
        "http://2130706433/image.png",
        "http:///image.png",
    ],
)
def test_address_of_this_machine_or_its_network_is_refused(address):
    with pytest.raises(UsageError, match="nothing was fetched"):
        check_public(address, backend="b")


@pytest.mark.parametrize("address", ["http://8.8.8.8/image.png", "https://[2606:4700:4700::1111]/image.png"])
def test_public_address_is_taken(address):
    check_public(address, backend="b")


@pytest.mark.parametrize(
    ("address", "bare", "header"),
    [
        ("http://host:8000/v1", "http://host:8000/v1", None),
        ("http://ann:p%40ss@host:8000/v1", "http://host:8000/v1", "Basic YW5uOnBAc3M="),
        ("https://token@[::1]/v1", "https://[::1]/v1", "Basic dG9rZW4="),
    ],
)
def test_user_of_an_address_becomes_a_header(address, bare, header):
    assert without_user(address) == (bare, header)
