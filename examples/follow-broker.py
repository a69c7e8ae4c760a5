"""Follows a node's chain in NATS JetStream, with nothing but Python 3.8 and its standard library.

    python3 follow-broker.py --server 127.0.0.1:4222 [--stream NAME --subject NAME] [--state FILE] [--until HEIGHT]

It folds what comes (docs/sinks.md): a block goes on top, a rewind takes blocks away. The place in the stream is kept in the
state file together with the chain, so that both change at once: whatever ends this program, it goes on where it was.
Prints a line of JSON for each item. Ends at the block --until; without it, it goes on.
"""
import argparse
import base64
import json
import os
import socket
import time


class Nats:
    """One connection, one question at a time."""

    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), timeout=10)
        self.lines = self.socket.makefile("rb")
        self.lines.readline()  # INFO
        options = {"verbose": False, "pedantic": False, "lang": "python", "version": "1", "protocol": 1, "headers": True}
        self.inbox = "_INBOX." + os.urandom(8).hex()
        self.socket.sendall(b"CONNECT %s\r\nSUB %s 1\r\n" % (json.dumps(options).encode(), self.inbox.encode()))

    def ask(self, subject, question):
        body = json.dumps(question).encode()
        self.socket.sendall(b"PUB %s %s %d\r\n%s\r\n" % (subject.encode(), self.inbox.encode(), len(body), body))
        while True:
            line = self.lines.readline()
            if line == b"":
                raise ConnectionError("the server has hung up")
            word, *rest = line.split()
            if word == b"PING":
                self.socket.sendall(b"PONG\r\n")
            elif word == b"-ERR":
                raise ConnectionError(line.decode().strip())
            elif word in (b"MSG", b"HMSG"):
                answer = self.lines.read(int(rest[-1]) + 2)[:-2]
                if word == b"HMSG":  # an answer with headers has no content: nobody answers this subject
                    raise ConnectionError("JetStream does not answer")
                return json.loads(answer)


def headers_of(text):
    """NATS/1.0, then Name: value lines."""
    lines = base64.b64decode(text).decode().split("\r\n")[1:]
    return dict(line.split(": ", 1) if ": " in line else line.split(":", 1) for line in lines if ":" in line)


def fold(chain, headers):
    """chain: [[height, hash], ...] in order."""
    kind, height = headers["Preconf-Kind"], int(headers["Preconf-Height"])
    if kind == "rewind":
        while chain and chain[-1][0] > height:
            chain.pop()
    elif kind == "block":
        assert not chain or chain[-1][0] < height, "blocks come in order"
        chain.append([height, headers["Preconf-Hash"]])


def load(path):
    try:
        with open(path) as file:
            return json.load(file)
    except (FileNotFoundError, TypeError):
        return {"sequence": 0, "id": None, "chain": []}


def save(path, state):
    if path is not None:
        with open(path + ".new", "w") as file:
            json.dump(state, file)
        os.replace(path + ".new", path)


def follow(nats, stream, subject, state, path, until):
    get = "$JS.API.STREAM.MSG.GET." + stream
    if state["sequence"] > 0:
        was = nats.ask(get, {"seq": state["sequence"]}).get("message")
        if was is None or headers_of(was["hdrs"]).get("Nats-Msg-Id") != state["id"]:
            # The stream was made anew, or has dropped what was read last: the chain is told again.
            state.update(sequence=0, id=None, chain=[])
    while True:
        answer = nats.ask(get, {"seq": state["sequence"] + 1, "next_by_subj": subject})
        message = answer.get("message")
        if message is None:
            if answer["error"]["code"] != 404:
                raise ConnectionError(answer["error"]["description"])
            time.sleep(0.05)  # nothing new yet
            continue
        headers = headers_of(message["hdrs"])
        fold(state["chain"], headers)
        state.update(sequence=message["seq"], id=headers["Nats-Msg-Id"])
        save(path, state)
        print(json.dumps({"kind": headers["Preconf-Kind"], "height": headers["Preconf-Height"], "hash": headers.get("Preconf-Hash")}), flush=True)
        # The payload: 382 bytes of SSZ, then the raw txlist.
        payload = base64.b64decode(message.get("data", ""))
        assert headers["Preconf-Kind"] != "block" or headers["Preconf-Encoding"] != "ssz" or len(payload) >= 382
        if until is not None and state["chain"] and state["chain"][-1][0] >= until:
            return


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--server", default="127.0.0.1:4222")
    options.add_argument("--stream", default="PRECONF_167000_BLOCKS")
    options.add_argument("--subject", default="preconf.167000.blocks")
    options.add_argument("--state")
    options.add_argument("--until", type=int)
    given = options.parse_args()
    host, port = given.server.rsplit(":", 1)
    state = load(given.state)
    while True:
        try:
            follow(Nats(host, int(port)), given.stream, given.subject, state, given.state, given.until)
            break
        except OSError as error:
            print(json.dumps({"trouble": str(error)}), flush=True)
            time.sleep(0.5)
    print(json.dumps({"chain": [block_hash for _, block_hash in state["chain"]]}))


if __name__ == "__main__":
    main()
