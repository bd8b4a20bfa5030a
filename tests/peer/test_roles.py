"""Who is asking, as a function of facts: nobody is more than what is proven."""

from itertools import product

import pytest

from panal.peer.roles import Asker, Role, Token, may, refusal, role_of
from panal.wire.ids import PeerName

ASKERS = [
    Asker(*facts)
    for facts in product(
        (False, True), (False, True), (False, True), (None, PeerName("two")), Token
    )
]


@pytest.mark.parametrize("is_open", [False, True])
def test_the_owner_has_a_token_or_is_the_user_on_this_machine(is_open: bool) -> None:
    owners = {asker for asker in ASKERS if role_of(asker, is_open=is_open) is Role.OWNER}
    assert {asker for asker in owners if asker.token is not Token.RIGHT} == {
        Asker(on_loopback=True, is_same_user=True)
    }
    assert {asker for asker in ASKERS if asker.token is Token.RIGHT} <= owners


def test_nobody_is_a_guest_by_an_asker_s_facts() -> None:
    roles = {role_of(asker, is_open=is_open) for asker in ASKERS for is_open in (False, True)}
    assert roles == {Role.PUBLIC, Role.MEMBER, Role.OWNER}


def test_a_member_has_a_certificate_unless_the_network_is_open() -> None:
    members = {asker for asker in ASKERS if role_of(asker, is_open=False) is Role.MEMBER}
    assert all(asker.certificate_name and asker.token is Token.NONE for asker in members)
    assert role_of(Asker(), is_open=True) is Role.MEMBER


def test_a_wrong_token_is_nobody_s() -> None:
    for asker in ASKERS:
        if asker.token is Token.WRONG:
            assert role_of(asker, is_open=True) is Role.PUBLIC


def test_what_each_may() -> None:
    table = {role: {wanted for wanted in Role if may(role, wanted)} for role in Role}
    assert table == {
        Role.PUBLIC: {Role.PUBLIC},
        Role.GUEST: {Role.PUBLIC, Role.GUEST},
        Role.MEMBER: {Role.PUBLIC, Role.MEMBER},
        Role.OWNER: {Role.PUBLIC, Role.MEMBER, Role.OWNER},
    }


def test_a_refusal_says_what_helps() -> None:
    assert "--open" in refusal(Asker(on_loopback=True), Role.MEMBER)
    for asker in ASKERS:
        if asker.token is not Token.WRONG:
            assert "token" in refusal(asker, Role.OWNER)
