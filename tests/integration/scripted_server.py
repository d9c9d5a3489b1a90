"""A next hop that breaks SMTP as a test wants: what it says at each stage is given; without that it behaves well."""
import contextlib
import socket
import threading

GOOD = {"greeting": b"220 odd.dest.test ESMTP\r\n", "EHLO": b"250-odd.dest.test\r\n250 8BITMIME\r\n",
        "HELO": b"250 odd.dest.test\r\n", "MAIL": b"250 2.1.0 Ok\r\n", "RCPT": b"250 2.1.5 Ok\r\n",
        "DATA": b"354 Go on\r\n", "dot": b"250 2.0.0 Taken\r\n", "RSET": b"250 2.0.0 Ok\r\n",
        "STARTTLS": b"220 2.0.0 Go on\r\n", "QUIT": b"221 2.0.0 Bye\r\n"}


class ScriptedServer:
    """`script` maps a stage to the bytes to say there; to None, to close without a word; or to a function of the
    connection, which is closed after it unless it returns true. Stages are verbs, "greeting", "content" (in the middle of it) and "dot"."""

    def __init__(self):
        self.script = {}
        self.taken = []  # the contents it has said 2xx to, whatever came of that
        self.connections = []
        self.is_open = True
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def behave(self, **script):
        """From now on, to new connections."""
        self.script = script
        connections, self.connections = self.connections, []
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def stop(self):
        self.is_open = False
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.behave()

    def _accept(self):
        while self.is_open:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection, dict(self.script)), daemon=True).start()

    def _serve(self, connection, script):
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as reader:
            if not self._say(connection, script, "greeting"):
                return
            for line in reader:
                verb = line[:8].split(b" ")[0].strip().upper().decode("latin-1")
                if not self._say(connection, script, verb) or verb == "QUIT":
                    return
                is_content = verb == "DATA" and script.get("DATA", GOOD["DATA"]).startswith(b"354")
                if is_content and not self._take(connection, script, reader):
                    return

    def _take(self, connection, script, reader):
        lines = []
        for line in reader:
            if "content" in script:
                return self._say(connection, script, "content")
            if line == b".\r\n":
                break
            lines.append(line)
        else:
            return False
        if script.get("dot", GOOD["dot"]) and not callable(script.get("dot")) and \
                script.get("dot", GOOD["dot"]).startswith(b"2"):
            self.taken.append(b"".join(lines))
        return self._say(connection, script, "dot")

    def _say(self, connection, script, stage):
        """False: the connection is to be closed."""
        said = script.get(stage, GOOD.get(stage, b"502 5.5.1 What?\r\n"))
        if callable(said):
            return bool(said(connection))
        if said is None:
            return False
        connection.sendall(said)
        return True
