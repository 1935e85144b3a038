"""Clusters that cannot be used are refused in words, soon."""

import argparse
import signal
import socket
import sys
import time
import types

import pytest

from app.cluster import add_argument, connected, connection


def test_the_word_after_on():
    parser = argparse.ArgumentParser()
    add_argument(parser)
    for place in ("ray", "auto", "ray://head.example.org:10001", "ray://[::1]:10001"):
        assert parser.parse_args(["--on", place]).on == place
    assert parser.parse_args([]).on is None


@pytest.mark.parametrize("place", ["Ray", "head:6379", "ray://head", "http://head:10001"])
def test_another_word_is_refused(place, capsys):
    parser = argparse.ArgumentParser()
    add_argument(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--on", place])
    assert "must be 'ray', 'auto' or ray://HEAD:10001" in capsys.readouterr().err


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"pip install 'frugal-cxr\[ray\]'"), connected("ray"):
        pass


def test_sigterm_ends_the_driver_with_143_and_rays_handler_is_gone_afterwards(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    ray = types.SimpleNamespace(
        init=lambda **options: signal.signal(signal.SIGTERM, lambda *_: sys.exit(1)),  # as Ray's does
        shutdown=lambda: signal.raise_signal(signal.SIGTERM),
    )
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(connection, "Cluster", lambda *_: types.SimpleNamespace(close=lambda: None))
    with pytest.raises(SystemExit) as ended, connected("ray"):
        pass
    assert ended.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_head_that_does_not_answer_is_refused(monkeypatch):
    pytest.importorskip("ray")
    with socket.socket() as listener:  # bound and not listening: nobody else has the port, and nobody answers
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        started = time.monotonic()
        with pytest.raises(ValueError, match=rf"{address}: the head .* cannot be reached .*refused"), connected("auto"):
            pass
    assert time.monotonic() - started < 10
