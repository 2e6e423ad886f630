from panteras_dns.host.resolv import nameservers, upstreams


def a_file(tmp_path, name: str, text: str):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_nameserver_lines_are_read_and_others_are_not():
    text = "# nameserver 1.1.1.1\nsearch corp\nnameserver 10.0.0.53\nnameserver ::1 # six\nnameserver nonsense\nnameserver\n"

    assert nameservers(text) == ["10.0.0.53", "::1"]


def test_own_addresses_are_left_out(tmp_path):
    path = a_file(tmp_path, "resolv.conf", "nameserver 127.0.0.1\nnameserver 10.0.0.53\n")

    assert upstreams({"127.0.0.1"}, [path]) == ["10.0.0.53"]


def test_behind_a_stub_the_real_ones_are_found(tmp_path):
    stub = a_file(tmp_path, "resolv.conf", "nameserver 127.0.0.53\noptions edns0\n")
    real = a_file(tmp_path, "resolved.conf", "nameserver 10.0.0.53\nnameserver 10.0.0.54\n")

    assert upstreams((), [stub, real]) == ["10.0.0.53", "10.0.0.54"]


def test_nothing_real_is_an_empty_list(tmp_path):
    assert upstreams({"127.0.0.1"}, [a_file(tmp_path, "a", "nameserver 127.0.0.1\n"), tmp_path / "absent"]) == []
