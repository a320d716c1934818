"""Addresses that this process would fetch from are looked at after they are resolved."""

import pytest

from mellea.core.addresses import is_public, public_addresses, without_user
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
        "http://0x7f.1/image.png",
        "http://user@127.0.0.1/image.png",
        "http:///image.png",
        "http://[::1/image.png",
        "http://8.8.8.8:99999/image.png",
    ],
)
def test_address_of_this_machine_or_its_network_is_refused(address):
    with pytest.raises(UsageError, match="nothing was fetched"):
        public_addresses(address)


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("http://8.8.8.8/image.png", ["8.8.8.8"]),
        ("https://[2606:4700:4700::1111]/image.png", ["2606:4700:4700::1111"]),
    ],
)
def test_public_address_is_taken(address, found):
    assert public_addresses(address) == found


@pytest.mark.parametrize(
    "found",
    [
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "fd00::1",
        "64:ff9b::10.0.0.1",
        "2002:7f00:1::1",
        "::ffff:127.0.0.1",
        "::ffff:0:127.0.0.1",
        "::127.0.0.1",
        "::",
    ],
)
def test_address_that_is_not_public_is_seen_however_it_is_wrapped(found):
    assert not is_public(found)


@pytest.mark.parametrize("found", ["93.184.216.34", "64:ff9b::8.8.8.8", "2606:4700::1"])
def test_public_address_is_seen(found):
    assert is_public(found)


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
