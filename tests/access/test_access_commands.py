"""`panteras access …`: what each command does, prints and refuses, on a real state directory."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from household import DNS, NETWORK, Household

from panteras_dns.access.ssh import ca, certificate, krl


@pytest.fixture
def home(tmp_path) -> Household:
    return Household(tmp_path).begin()


def shut(home: Household) -> krl.Revoked:
    return krl.read(home.vault.revoked.read_bytes())


def own_key(path: Path) -> Path:
    path.write_text(f"{ca.new_key('her')[1]} her own\n")
    return path


def beside(home: Household, *words: str) -> "subprocess.Popen[str]":
    """A command in a process of its own."""
    command = [sys.executable, "-m", "panteras_dns", "access", *words, "--state", str(home.vault.root)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_grant_tells_the_certificate_and_what_comes_next(home):
    told = home.run("grant", "alice", "--device", "laptop", "--services", "python*,web", "--days", "90")

    (entry,) = home.listed()
    assert told == (
        f"alice/laptop: certificate {entry['serial']} for the door ssh, good until {entry['not_after'][:10]}, "
        f"for python*,web\nnext: panteras access kit alice/laptop --gateway HOST[:PORT]\n"
    )


def test_the_certificate_says_who_for_what_and_until_when(home):
    before = int(time.time())
    home.run("grant", "alice/laptop", "--days", "2", "--services", "web")

    (listed,) = home.listed()
    (entry,) = [one for one in _entries(home) if one.serial == listed["serial"]]
    found, _ = certificate.read(entry.certificate)

    assert (found.key_id, found.serial, found.role, found.principals) == (
        *("alice/laptop", listed["serial"], certificate.USER, ["tunnel"]),
    )
    assert found.services == ("web",)
    assert found.valid_after <= before - 300 <= found.valid_after + 5
    assert found.valid_before - found.valid_after == 2 * 86_400 + 300


def _entries(home: Household):
    from panteras_dns.access.index import Index

    return Index(home.vault.index).all()


def test_json_of_a_grant_holds_no_secret(home):
    (told,) = json.loads(home.run("grant", "alice", "--json"))

    assert sorted(told) == [
        "device", "door", "fingerprint", "issued", "name", "not_after", "not_before", "revoked", "serial", "services",
        "state",
    ]  # fmt: skip
    assert (told["name"], told["device"], told["door"], told["state"], told["services"], told["revoked"]) == (
        *("alice", "default", "ssh", "valid", None, None),
    )


@pytest.mark.parametrize(
    "words",
    [
        ["grant"],
        ["grant", "a b"],
        ["grant", "../../etc/passwd"],
        ["grant", "x" * 65],
        ["grant", "alice/"],
        ["grant", "alice", "--device", "lap top"],
        ["grant", "alice", "alice"],
        ["grant", "alice", "--days", "0"],
        ["grant", "alice", "--days", "-1"],
        ["grant", "alice", "--days", "3651"],
        ["grant", "alice", "--days", "99999999999999999999"],
        ["grant", "alice", "--days", "soon"],
        ["grant", "alice", "--services", "web.service.consul"],
        ["grant", "alice", "--services", ","],
        ["grant", "alice", "--public-key", "/nowhere/key.pub"],
        ["grant", "alice", "bob", "--public-key", "key.pub"],
        ["grant", "alice", "--passphrase-file", "/nowhere/phrase"],
        ["grant", "alice", "--passphrase-fd", "-1"],
        ["grant", "alice", "--passphrase-fd", "999"],
        ["grant", "alice", "--passphrase-file", "/dev/null", "--passphrase-fd", "0"],
        ["grant", "alice", "--passphrase-file", "/dev/null"],
        ["renew", "a b"],
        ["revoke", "a b"],
        ["kit", "a b", "--gateway", "gw"],
        ["kit", "alice", "--gateway", "gw:0"],
        ["kit", "alice", "--gateway", "gw;id"],
        ["kit", "alice"],
        ["status", "--warn", "-1"],
        ["render", "sshd", "--for-version", "7.4"],
        ["render", "sshd", "--for-version", "new"],
    ],
    ids=lambda words: " ".join(words)[:60],
)
def test_what_can_not_be_meant_ends_with_status_2_and_leaves_all_as_it_was(home, words):
    status, told = home.attempt(*words)

    assert status == 2
    assert told
    assert home.listed() == []


@pytest.mark.parametrize("words", [["renew", "eve"], ["revoke", "eve"], ["kit", "eve", "--gateway", "gw"]])
def test_somebody_unknown_is_told_with_status_1(home, words):
    assert home.attempt(*words) == (*(1, "panteras: eve: nobody here by that name; see: panteras access list\n"),)


@pytest.mark.parametrize(
    ("kind", "bits", "taken"),
    [("dsa", 1024, False), ("rsa", 2048, False), ("ecdsa", 256, True), ("ed25519", 256, True)],
)
def test_a_key_of_her_own_is_taken_when_it_is_good_enough(home, tmp_path, kind, bits, taken):
    words = ["ssh-keygen", "-q", "-t", kind, "-b", str(bits), "-N", "", "-f", tmp_path / "key"]
    subprocess.run(words, check=True)

    status, told = home.attempt("grant", "bob", "--public-key", str(tmp_path / "key.pub"))

    assert (status, len(home.listed())) == ((0, 1) if taken else (2, 0))
    assert taken or told.startswith(f"panteras: {tmp_path}/key.pub: ")


def test_a_private_key_in_place_of_the_public_one_is_refused_and_not_shown(home, tmp_path):
    private, _ = ca.new_key("her")
    (tmp_path / "id").write_bytes(private)

    status, told = home.attempt("grant", "bob", "--public-key", str(tmp_path / "id"))

    assert status == 2
    assert "this is a private key" in told
    assert private.splitlines()[1].decode() not in told


def test_a_whole_team_comes_from_a_file_one_a_line(home, tmp_path):
    (tmp_path / "team").write_text("alice/laptop\n\n  bob \r\ncarol@example.com/phone\n")

    home.run("grant", "dave", "--file", str(tmp_path / "team"), "--device", "pc")

    assert [f"{one['name']}/{one['device']}" for one in home.listed()] == [
        *("alice/laptop", "bob/pc", "carol@example.com/phone", "dave/pc"),
    ]


@pytest.mark.parametrize("line", ["bob smith", "b\u00f6b", "dave/x/y", "alice"])
def test_one_bad_line_in_the_file_lets_nobody_in(home, tmp_path, line):
    (tmp_path / "team").write_text(f"alice\n{line}\n")

    status, _ = home.attempt("grant", "--file", str(tmp_path / "team"))

    assert (status, home.listed()) == (2, [])


def test_one_who_is_in_already_keeps_all_others_out(home):
    home.run("grant", "bob")

    status, told = home.attempt("grant", "alice", "bob", "carol")

    assert status == 1
    assert "bob/default: has a certificate for the door ssh until" in told
    assert [one["name"] for one in home.listed()] == ["bob"]


def test_two_grants_of_one_name_at_once_make_one_certificate(home):
    both = [beside(home, "grant", "alice") for _ in range(2)]

    told = [one.communicate(timeout=20) for one in both]

    assert sorted(one.returncode for one in both) == [0, 1], told
    assert len(home.listed()) == 1


def test_two_revokes_at_once_shut_both_out(home):
    home.run("grant", "alice", "bob", "carol")
    both = [beside(home, "revoke", name) for name in ("alice", "bob")]

    told = [one.communicate(timeout=20) for one in both]

    assert [one.returncode for one in both] == [0, 0], told
    assert shut(home).serials == {one["serial"] for one in home.listed() if one["name"] != "carol"}


def test_a_revoke_shuts_out_the_serial_and_the_key_and_says_so(home):
    home.run("grant", "alice/laptop", "alice/phone", "bob")

    told = home.run("revoke", "alice/laptop")

    states = {f"{one['name']}/{one['device']}": one["state"] for one in home.listed()}
    (gone,) = [one for one in _entries(home) if one.id == "alice/laptop"]
    assert states == {"alice/laptop": "revoked", "alice/phone": "valid", "bob/default": "valid"}
    assert shut(home) == krl.Revoked(frozenset({gone.serial}), frozenset({gone.digest}))
    assert told.startswith("alice/laptop: 1 certificate revoked, no session was live; looked again: none is live, 0.")


def test_json_of_a_revoke_says_what_was_proved(home):
    (entry,) = json.loads(home.run("grant", "alice", "--json"))

    told = json.loads(home.run("revoke", "alice", "--json"))

    assert told.pop("seconds") < 1
    assert told == {"serials": [entry["serial"]], "sessions_ended": 0, "proved": True, "why": []}


def test_a_name_that_comes_back_gets_a_new_key_and_the_old_one_stays_out(home, tmp_path):
    key = own_key(tmp_path / "her.pub")
    home.run("grant", "alice", "--public-key", str(key))
    before = shut(home)
    home.run("revoke", "alice")

    again = home.attempt("grant", "alice", "--public-key", str(key))
    elsewhere = home.attempt("grant", "mallory", "--public-key", str(key))
    home.run("grant", "alice")

    old, new = _entries(home)
    assert {again[0], elsewhere[0]} == {1}
    assert "was revoked with alice/default; a key is for one device, and never comes back" in again[1]
    assert shut(home) == krl.Revoked(frozenset({old.serial}), frozenset({old.digest}))
    assert (before.serials, new.digest == old.digest) == (frozenset(), False)


def test_a_key_is_for_one_device(home, tmp_path):
    key = str(own_key(tmp_path / "her.pub"))
    home.run("grant", "alice", "--public-key", key)

    status, told = home.attempt("grant", "bob", "--public-key", key)

    assert status == 1
    assert "this key belongs to alice/default" in told


def test_a_renewal_is_for_the_same_key_and_may_change_the_services(home):
    home.run("grant", "alice", "--services", "web")
    home.run("renew", "alice", "--days", "60")
    home.run("renew", "alice", "--services", "")

    first, second, third = _entries(home)
    assert first.digest == second.digest == third.digest
    assert [one.services for one in (first, second, third)] == ["web", "web", ""]
    assert second.not_after > first.not_after
    assert len(home.run("list").splitlines()) == 3


def test_what_was_revoked_is_not_renewed(home):
    home.run("grant", "alice")
    home.run("revoke", "alice")

    status, told = home.attempt("renew", "alice")

    assert status == 1
    assert told == "panteras: alice: revoked; what is revoked is not renewed: grant it anew\n"


def test_a_revoke_shuts_out_what_was_renewed_before(home):
    home.run("grant", "alice")
    home.run("renew", "alice")
    home.run("revoke", "alice")

    assert shut(home).serials == {one["serial"] for one in home.listed()}
    assert len(shut(home).serials) == 2


def test_the_door_s_own_certificate_is_renewed_and_kits_stay(home):
    before = home.vault.host_certificate.read_text(), home.vault.host_ca_public.read_text()

    told = home.run("renew", "gateway:")

    after = home.vault.host_certificate.read_text(), home.vault.host_ca_public.read_text()
    assert told.startswith("the SSH door's host certificate is good until ")
    assert told.endswith("restart the doors\n")
    assert (before[0] != after[0], before[1] == after[1]) == (True, True)


def test_the_list_is_a_table_for_people(home):
    assert home.run("list") == "NAME  DEVICE  DOOR  SERIAL  STATE  UNTIL  SERVICES\n0 certificates\n"
    home.run("grant", "alice", "bob", "--services", "web")
    home.run("revoke", "bob")

    (alice, bob) = home.listed()
    short, whole = home.run("list").splitlines(), home.run("list", "--all").splitlines()
    until = alice["not_after"][:10]
    assert short[1].split() == ["alice", "default", "ssh", str(alice["serial"]), "valid", until, "web"]
    assert short[2] == "1 certificate; 1 more expired or revoked: --all"
    assert whole[2].split() == ["bob", "default", "ssh", str(bob["serial"]), "revoked", until, "web"]


@pytest.mark.parametrize(("days", "warn", "status"), [(3, 7, 1), (3, 2, 0), (30, 14, 0)])
def test_status_fails_when_something_ends_soon(home, days, warn, status):
    home.run("grant", "alice", "--days", str(days))

    found, told = home.attempt("status", "--warn", str(warn))

    assert found == status
    assert ("panteras access renew alice/default" in told) == bool(status)


def test_status_as_json_names_the_command_that_helps(home):
    home.run("grant", "alice", "--days", "3")
    home.run("grant", "bob", "--days", "2")
    home.run("revoke", "bob")

    status, told = home.attempt("status", "--warn", "800", "--json")

    assert status == 1
    assert [(one["what"], one["days"], one["renew"]) for one in json.loads(told)] == [
        ("alice/default (ssh)", 2, "panteras access renew alice/default"),
        ("the SSH door's host certificate", 729, "panteras access renew gateway:"),
    ]


def test_nobody_is_connected(home):
    assert home.run("sessions") == "IDENTITY  DEVICE  DOOR  FROM  ADDRESS  SINCE  BYTES\n0 sessions\n"
    assert json.loads(home.run("sessions", "--json")) == []


def test_repair_writes_the_list_of_the_revoked_anew(home):
    home.run("grant", "alice")
    home.run("revoke", "alice")
    before = shut(home)
    home.vault.revoked.write_bytes(b"")

    home.run("repair")

    assert shut(home) == before


def test_a_locked_ca_opens_with_its_passphrase_alone_and_nothing_is_half_issued(tmp_path):
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("correct horse\n")
    wrong.write_text("battery staple\n")
    home = Household(tmp_path).begin("--passphrase-file", str(right))

    without = home.attempt("grant", "alice", "bob")
    by_another = home.attempt("grant", "alice", "bob", "--passphrase-file", str(wrong))
    before = home.listed()
    home.run("grant", "alice", "--passphrase-file", str(right))
    with right.open() as stream:
        by_descriptor = home.attempt("grant", "bob", "--passphrase-fd", str(os.dup(stream.fileno())))
    home.run("revoke", "alice")  # shutting out needs none

    start = f"panteras: {home.vault.user_ca}: "
    assert without == (1, f"{start}is locked by a passphrase; give it with --passphrase-file or --passphrase-fd\n")
    assert (by_another[0], by_another[1].startswith(start), by_another[1].count("\n")) == (1, True, 1)
    assert by_another[1].endswith("; is the passphrase right?\n")
    assert (before, by_descriptor[0]) == ([], 0)
    assert [(one["name"], one["state"]) for one in home.listed()] == [("alice", "revoked"), ("bob", "valid")]
    assert len(shut(home).serials) == 1
    assert b"correct horse" not in b"".join(p.read_bytes() for p in home.vault.root.rglob("*") if p.is_file())


def test_init_notes_a_network_that_laptops_sit_in_themselves(tmp_path):
    told = Household(tmp_path).run("init", "--network", "192.168.1.0/24", "--dns", "192.168.1.1")

    assert "note: 192.168.1.0/24 overlaps with 192.168.0.0/23, home routers: a laptop that sits there" in told


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--network", "web.service.consul"], "networks[0]: not a network: 'web.service.consul'"),
        (["--dns", "127.0.0.1"], "dns: 127.0.0.1 is the container itself"),
        (["--domain", "Con sul"], "domain: 'Con sul'"),
        (["--account", "root!"], "account: 'root!'"),
    ],
)
def test_an_init_with_a_mistake_leaves_nothing_behind(tmp_path, options, reason):
    home = Household(tmp_path)
    given = ["--network", NETWORK] * ("--network" not in options) + ["--dns", DNS] * ("--dns" not in options)

    status, told = home.attempt("init", *given, *options)

    assert status == 2
    assert reason in told
    assert not home.vault.root.exists()


def test_a_clock_that_jumped_loses_nobody_and_the_newest_certificate_counts(home, monkeypatch):
    home.run("grant", "alice", "bob")
    today = time.time()
    monkeypatch.setattr(time, "time", lambda: today + 5 * 365 * 86_400)
    in_the_future = [one["state"] for one in home.listed()]
    home.run("grant", "alice")  # the old one has expired
    monkeypatch.setattr(time, "time", lambda: today)
    home.run("revoke", "alice")
    home.run("grant", "alice")
    home.run("kit", "alice", "--gateway", "gw", "--out", str(home.vault.root.parent / "kit"))

    states = [(one["name"], one["state"]) for one in home.listed()]
    newest = _entries(home)[2]
    assert in_the_future == ["expired", "expired"]
    assert states == [("alice", "revoked"), ("alice", "revoked"), ("alice", "valid"), ("bob", "valid")]
    assert (home.vault.root.parent / "kit/id-cert.pub").read_text() == f"{newest.certificate}\n"
    assert len(home.run("list").splitlines()) == 4


def test_a_clock_before_its_time_makes_certificates_wait_and_not_vanish(home, monkeypatch):
    home.run("grant", "alice")
    today = time.time()
    monkeypatch.setattr(time, "time", lambda: today - 10 * 365 * 86_400)

    (entry,) = home.listed()
    again = home.attempt("grant", "alice")

    assert entry["state"] == "waiting"
    assert again[0] == 1


def test_ten_thousand_identities_are_listed_within_a_second(home):
    from household import an_entry

    from panteras_dns.access.index import Index

    index = Index(home.vault.index)
    with index.writing():
        index.add(an_entry(serial, name=f"person{serial}", private_key=b"k" * 400) for serial in range(1, 10_001))
        index.revoke(range(1, 10_001), 1_800_000_000)
    began = time.process_time()

    listed = home.run("list", "--all")
    middle = time.process_time()
    home.run("repair")

    assert len(listed.splitlines()) == 10_002
    assert len(shut(home).serials) == 10_000
    assert (middle - began < 1, time.process_time() - middle < 2) == (True, True)
