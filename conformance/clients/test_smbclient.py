"""Samba's command-line client: every dialect, signing algorithm and cipher, and the commands people use."""

import hashlib
import os
import re
import shutil
import subprocess
import tarfile

import pytest

from server import ACCOUNTS

pytestmark = pytest.mark.skipif(not shutil.which("smbclient"), reason="smbclient is not installed")

DIALECTS = ["SMB2_02", "SMB2_10", "SMB3_00", "SMB3_02", "SMB3_11"]
SIGNING_ALGORITHMS = ["hmac-sha256", "aes-128-cmac", "aes-128-gmac"]
CIPHERS = ["aes-128-ccm", "aes-128-gcm", "aes-256-ccm", "aes-256-gcm"]


class Run:
    """The outcome of one run of smbclient."""

    def __init__(self, process):
        self.status = process.returncode
        self.output = process.stdout + process.stderr

    def ok(self):
        """Itself, if every command of it succeeded: smbclient's own status tells only of the last one."""
        assert self.status == 0 and "NT_STATUS" not in self.output, self.output
        return self

    def failed(self, status):
        """Itself, if it failed with this NtStatus."""
        assert f"NT_STATUS_{status}" in self.output, self.output
        return self


def smbclient(server, commands, *arguments, share="work", user="alice", password=None, folder=None, cwd=None):
    """Run `commands` as `user` on a share, in `folder` of it."""
    password = ACCOUNTS.get(user) if password is None else password
    line = ["smbclient", f"//{server.host}/{share}", "-p", str(server.port), "-s", os.devnull,
            "--option=client min protocol=SMB2_02", "-c", commands, *arguments]
    line += ["-U", f"{user}%{password}"] if user else ["-N"]
    if folder:
        line += ["-D", folder]
    return Run(subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=cwd, timeout=300))


def random_file(path, size):
    """Make a file of `size` random bytes; return its checksum."""
    path.write_bytes(os.urandom(size))
    return checksum(path)


def checksum(path):
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def round_trip(server, folder, tmp_path, *arguments, size=3_000_001, share="work"):
    """Put a file, look at it from behind, get it again: three equal checksums."""
    before = random_file(tmp_path / "out", size)
    smbclient(server, "put out; get out back", *arguments, share=share, folder=folder, cwd=tmp_path).ok()
    behind = server.folder(share) / folder / "out"
    assert checksum(behind) == before
    assert checksum(tmp_path / "back") == before


# ---- dialects, signing, encryption


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_dialect_carries_a_file_both_ways(server, folder, tmp_path, dialect):
    round_trip(server, folder, tmp_path, "-m", dialect, f"--option=client min protocol={dialect}")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_dialect_works_signed(server, folder, tmp_path, dialect):
    round_trip(server, folder, tmp_path, "-m", dialect, f"--option=client min protocol={dialect}",
               "--client-protection=sign")


@pytest.mark.parametrize("algorithm", SIGNING_ALGORITHMS)
def test_each_signing_algorithm_works(server, folder, tmp_path, algorithm):
    round_trip(server, folder, tmp_path, "--client-protection=sign", "--option=client min protocol=SMB3_11",
               f"--option=client smb3 signing algorithms={algorithm}")


@pytest.mark.parametrize("cipher", CIPHERS)
def test_each_cipher_works(server, folder, tmp_path, cipher):
    round_trip(server, folder, tmp_path, "--client-protection=encrypt", "--option=client min protocol=SMB3_11",
               f"--option=client smb3 encryption algorithms={cipher}")


@pytest.mark.parametrize("dialect", ["SMB3_00", "SMB3_02"])
def test_encryption_works_before_contexts_existed(server, folder, tmp_path, dialect):
    round_trip(server, folder, tmp_path, "--client-protection=encrypt", "-m", dialect,
               f"--option=client min protocol={dialect}")


def test_a_client_that_starts_with_smb1_is_moved_up(server, folder, tmp_path):
    round_trip(server, folder, tmp_path, "--option=client min protocol=NT1")


def test_a_dialect_below_the_servers_oldest_is_refused(special_server):
    newest_only = special_server(oldest_dialect="3.1.1")
    smbclient(newest_only, "ls", "-m", "SMB3_02").failed("")
    smbclient(newest_only, "ls", "-m", "SMB3_11").ok()


def test_a_server_that_requires_signing_serves_signed_clients(special_server, tmp_path):
    strict = special_server(signing="required")
    (strict.folder("work") / "s").mkdir(exist_ok=True)
    (strict.folder("work") / "s").chmod(0o777)
    round_trip(strict, "s", tmp_path, "--client-protection=sign")
    smbclient(strict, "ls", "-m", "SMB2_02").ok()


def test_a_server_that_requires_encryption_refuses_a_dialect_without_it(special_server):
    strict = special_server(encryption="required")
    smbclient(strict, "ls", "-m", "SMB2_10").failed("ACCESS_DENIED")
    smbclient(strict, "ls").ok()


def test_a_sealed_share_refuses_a_dialect_without_encryption(server):
    smbclient(server, "ls", "-m", "SMB2_10", share="sealed").failed("ACCESS_DENIED")
    smbclient(server, "ls", share="sealed").ok()


# ---- accounts and shares


def test_wrong_password_and_unknown_user_look_the_same(server):
    smbclient(server, "ls", password="wrong").failed("LOGON_FAILURE")
    smbclient(server, "ls", user="bob", password="").failed("LOGON_FAILURE")


def test_names_may_carry_a_domain(server):
    smbclient(server, "ls", "-W", "SOMEWHERE").ok()
    smbclient(server, "ls", user="SOMEWHERE\\alice", password=ACCOUNTS["alice"]).ok()


def test_account_names_ignore_case(server):
    smbclient(server, "ls", user="ALICE", password=ACCOUNTS["alice"]).ok()


def test_unknown_share_is_a_bad_network_name(server):
    smbclient(server, "ls", share="nowhere").failed("BAD_NETWORK_NAME")


def test_share_names_ignore_case(server):
    smbclient(server, "ls", share="WORK").ok()


def test_a_share_for_others_is_refused(server):
    smbclient(server, "ls", share="private").failed("ACCESS_DENIED")
    smbclient(server, "ls", share="private", user="bob").ok()


def test_a_read_only_share_can_be_read_and_nothing_else(server, tmp_path):
    random_file(tmp_path / "mine", 10)
    smbclient(server, "get notice.txt", share="readonly", cwd=tmp_path).ok()
    assert (tmp_path / "notice.txt").read_text() == "Look, do not touch.\n"
    for refused in ("put mine", "mkdir new", "rm notice.txt", "rename notice.txt other", "setmode notice.txt +h"):
        run = smbclient(server, refused, share="readonly", cwd=tmp_path)
        assert re.search("NT_STATUS_(ACCESS_DENIED|MEDIA_WRITE_PROTECTED)", run.output), (refused, run.output)
    assert [path.name for path in server.folder("readonly").iterdir()] == ["notice.txt"]


def test_a_stranger_reaches_the_guest_share_only(server):
    smbclient(server, "ls", share="public", user="nobody-we-know", password="x").ok()
    smbclient(server, "ls", share="work", user="nobody-we-know", password="x").failed("ACCESS_DENIED")


def test_the_list_of_shares_names_all_but_the_hidden(server):
    line = ["smbclient", "-L", server.host, "-p", str(server.port), "-s", os.devnull, "-g",
            "-U", f"alice%{ACCOUNTS['alice']}"]
    output = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60).stdout
    named = {row.split("|")[1] for row in output.splitlines() if row.count("|") == 2}
    assert {"work", "readonly", "public", "sealed", "IPC$"} <= named, output
    assert "hidden$" not in named or server.name == "smbd", output


# ---- files


def test_listing_shows_names_sizes_and_attributes(server, folder):
    (server.folder("work") / folder / "five").write_bytes(b"12345")
    (server.folder("work") / folder / "sub").mkdir()
    output = smbclient(server, "ls", folder=folder).ok().output
    assert re.search(r"^  five +[AN] +5 ", output, re.M), output
    assert re.search(r"^  sub +D +0 ", output, re.M), output


def test_delete_rename_mkdir_rmdir(server, folder, tmp_path):
    inside = server.folder("work") / folder
    random_file(tmp_path / "a", 100)
    smbclient(server, "put a; rename a b; mkdir d; put a d/c; rename d e", folder=folder, cwd=tmp_path).ok()
    assert sorted(path.name for path in inside.rglob("*")) == ["b", "c", "e"]
    smbclient(server, "rmdir e", folder=folder).failed("DIRECTORY_NOT_EMPTY")
    smbclient(server, "rm b; rm e/c; rmdir e", folder=folder).ok()
    assert list(inside.iterdir()) == []


def test_rename_onto_an_existing_name_collides_unless_forced(server, folder, tmp_path):
    inside = server.folder("work") / folder
    (inside / "a").write_text("a")
    (inside / "b").write_text("b")
    smbclient(server, "rename a b", folder=folder).failed("OBJECT_NAME_COLLISION")
    assert (inside / "b").read_text() == "b"
    smbclient(server, "rename a b -f", folder=folder).ok()
    assert (inside / "b").read_text() == "a" and not (inside / "a").exists()


def test_rename_that_changes_only_the_case(server, folder):
    (server.folder("work") / folder / "name").write_text("x")
    smbclient(server, "rename name NAME", folder=folder).ok()
    assert [path.name for path in (server.folder("work") / folder).iterdir()] == ["NAME"]


def test_missing_names_and_missing_folders_differ(server, folder):
    smbclient(server, "get nothing", folder=folder).failed("OBJECT_NAME_NOT_FOUND")
    smbclient(server, "get no/thing", folder=folder).failed("OBJECT_PATH_NOT_FOUND")


@pytest.mark.parametrize("name", ["with a space", "ünïcödé 文字 🦀", "x" * 255, "dots.in.the.name", "#weird%(name)~!"])
def test_unusual_names_survive(server, folder, tmp_path, name):
    before = random_file(tmp_path / "plain", 77)
    smbclient(server, f'put plain "{name}"; get "{name}" back; ls "{name}"', folder=folder, cwd=tmp_path).ok()
    assert checksum(server.folder("work") / folder / name) == before
    assert checksum(tmp_path / "back") == before


def test_a_name_of_256_characters_is_invalid(server, folder, tmp_path):
    random_file(tmp_path / "plain", 7)
    smbclient(server, f"put plain {'y' * 256}", folder=folder, cwd=tmp_path).failed("OBJECT_NAME_INVALID")


def test_names_are_found_in_any_case_and_kept_as_written(server, folder, tmp_path):
    before = random_file(tmp_path / "plain", 77)
    smbclient(server, "mkdir FoLdEr; put plain FoLdEr/ReadMe.TXT; get folder/README.txt back",
              folder=folder, cwd=tmp_path).ok()
    assert checksum(tmp_path / "back") == before
    assert (server.folder("work") / folder / "FoLdEr/ReadMe.TXT").exists()
    smbclient(server, "mkdir folder", folder=folder).failed("OBJECT_NAME_COLLISION")


def test_wildcards_select(server, folder):
    for name in ("one.txt", "two.txt", "three.dat", "four"):
        (server.folder("work") / folder / name).write_text(name)
    listed = {
        pattern: sorted(re.findall(r"^  (\w[\w.]*) ", smbclient(server, f"ls {pattern}", folder=folder).ok().output, re.M))
        for pattern in ("*.txt", "t*", "????", "*", "t??.*")
    }
    assert listed["*.txt"] == ["one.txt", "two.txt"]
    assert listed["t*"] == ["three.dat", "two.txt"]
    assert listed["????"] == ["four"]
    assert listed["*"] == ["four", "one.txt", "three.dat", "two.txt"]
    assert listed["t??.*"] == ["two.txt"]
    smbclient(server, "ls *.none", folder=folder).failed("NO_SUCH_FILE")


def test_attributes_can_be_set_and_are_shown(server, folder, tmp_path):
    (tmp_path / "f").write_text("x")
    output = smbclient(server, "put f; setmode f +rhs; ls; setmode f -rhs; ls f", folder=folder, cwd=tmp_path).ok().output
    shown = re.findall(r"^  f +([A-Z]*) +1 ", output, re.M)
    assert set("RHS") <= set(shown[0]) and not set("RHS") & set(shown[1]), output


def test_a_read_only_file_cannot_be_deleted(server, folder, tmp_path):
    (tmp_path / "f").write_text("x")
    smbclient(server, "put f; setmode f +r; rm f", folder=folder, cwd=tmp_path).failed("CANNOT_DELETE")
    assert (server.folder("work") / folder / "f").exists()
    smbclient(server, "setmode f -r; rm f", folder=folder).ok()


def test_all_information_of_a_file_is_given(server, folder):
    (server.folder("work") / folder / "f").write_bytes(b"x" * 5000)
    output = smbclient(server, "allinfo f", folder=folder).ok().output
    for line in ("create_time:", "access_time:", "write_time:", "change_time:", "attributes:", "stream: [::$DATA], 5000 bytes"):
        assert line in output, output


def test_disk_usage_and_volume_are_given(server, folder):
    (server.folder("work") / folder / "f").write_bytes(b"x" * 5000)
    assert re.search(r"\d+ blocks of size \d+\. \d+ blocks available", smbclient(server, "du", folder=folder).ok().output)
    assert "serial number" in smbclient(server, "volume").ok().output


def test_recursive_get_and_put_of_a_tree(server, folder, tmp_path):
    tree = tmp_path / "tree"
    sums = {}
    for n in range(60):
        path = tree / f"d{n % 5}" / f"e{n % 3}" / f"file {n}"
        path.parent.mkdir(parents=True, exist_ok=True)
        sums[path.relative_to(tree)] = random_file(path, n * 997)
    smbclient(server, "recurse on; prompt off; mput *", folder=folder, cwd=tree).ok()
    behind = server.folder("work") / folder
    assert {p.relative_to(behind): checksum(p) for p in behind.rglob("*") if p.is_file()} == sums
    (tmp_path / "back").mkdir()
    smbclient(server, "recurse on; prompt off; mget *", folder=folder, cwd=tmp_path / "back").ok()
    back = tmp_path / "back"
    assert {p.relative_to(back): checksum(p) for p in back.rglob("*") if p.is_file()} == sums
    smbclient(server, "deltree d0", folder=folder).ok()
    assert not (behind / "d0").exists() and (behind / "d1").exists()


def test_tar_create_and_extract(server, folder, tmp_path):
    inside = server.folder("work") / folder / "t"
    inside.mkdir()
    inside.chmod(0o777)
    sums = {f"n{n}": random_file(inside / f"n{n}", n * 10_000) for n in range(8)}
    smbclient(server, f"tar c {tmp_path}/all.tar t", folder=folder, cwd=tmp_path).ok()
    with tarfile.open(tmp_path / "all.tar") as archive:
        archived = {os.path.basename(m.name): hashlib.sha256(archive.extractfile(m).read()).hexdigest()
                    for m in archive if m.isfile()}
    assert archived == sums
    shutil.rmtree(inside)
    smbclient(server, f"tar x {tmp_path}/all.tar", folder=folder, cwd=tmp_path).ok()
    extracted = {path.name: checksum(path) for path in server.folder("work").rglob("n?") if path.is_file()}
    assert sums.items() <= extracted.items()


def test_a_file_of_200_megabytes_survives(server, folder, tmp_path):
    round_trip(server, folder, tmp_path, size=200_000_000)


def test_an_empty_file_survives(server, folder, tmp_path):
    round_trip(server, folder, tmp_path, size=0)


def test_several_clients_at_once_do_not_disturb_each_other(server, folder, tmp_path):
    line = "; ".join(f"put f g{{n}}-{i}; get g{{n}}-{i} h{{n}}-{i}" for i in range(5))
    before = random_file(tmp_path / "f", 2_000_000)
    running = [
        subprocess.Popen(
            ["smbclient", f"//{server.host}/work", "-p", str(server.port), "-s", os.devnull, "-D", folder,
             "-U", f"alice%{ACCOUNTS['alice']}", "-c", line.format(n=n)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path,
        )
        for n in range(6)
    ]
    assert [process.wait(120) for process in running] == [0] * 6
    assert {checksum(tmp_path / f"h{n}-{i}") for n in range(6) for i in range(5)} == {before}
