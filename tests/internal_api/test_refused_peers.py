"""Rows about refused tokens stay few, however many addresses a stranger has."""

from ipaddress import ip_address

import pytest

from internal_api import refused_peers as module
from internal_api.models import RefusedPeer
from internal_api.peers import address_block
from internal_api.refused_peers import RefusedPeers


def _forge(peers: RefusedPeers, first: str, number: int) -> None:
    start = int(ip_address(first))
    for offset in range(number):
        peers.count(str(ip_address(start + offset)), "gitlab-shell")
        if offset % 40 == 39:
            peers.flush()


def test_a_network_of_64_bits_is_one_row(db: None) -> None:
    _forge(RefusedPeers(), "2001:db8::", 500)
    assert set(RefusedPeer.objects.values_list("address", flat=True)) == {"2001:db8::/64"}


def test_a_day_has_a_bounded_number_of_rows(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS_A_DAY", 100)
    peers = RefusedPeers()
    _forge(peers, "198.18.0.0", 1_000)
    peers.flush()
    peers.count("198.18.0.0", "gitlab-shell")
    assert RefusedPeer.objects.count() <= 100 + module.MOST_ADDRESSES + 1
    assert RefusedPeer.objects.get(address="others").number > 800
    assert sum(RefusedPeer.objects.values_list("number", flat=True)) == 1_001


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_an_ipv6_address_stands_for_its_network(address: str, block: str) -> None:
    assert address_block(address) == block
