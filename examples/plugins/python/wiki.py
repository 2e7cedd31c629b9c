#!/usr/bin/env python3
"""A complete plug-in for Tenure: who may do what in a wiki that keeps it in a JSON file.

    wiki.py FILE                         connector exec: one message in, one out
    wiki.py FILE --listen PORT KEYFILE   connector http, on 127.0.0.1

FILE must exist: {"accounts": ["alice"], "roles": ["editor"], "grants": [], "sessions": []}
"""

import contextlib, datetime, fcntl, json, os, sys

PROTOCOL = "tenure.plugin/v1"
WINDOW = 60  # seconds that a signed request is good for


class Failure(Exception):
    def __init__(self, message, code="failed"):
        super().__init__(message)
        self.code = code


class Wiki:
    def __init__(self, path):
        self.path = path

    @contextlib.contextmanager
    def locked(self):
        """The content; it is written back, whole, if it was changed and nothing failed."""
        with open(self.path + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with open(self.path, encoding="utf-8") as f:
                text = f.read()
            data = json.loads(text)
            before = json.dumps(data)
            yield data
            if json.dumps(data) != before:
                with open(self.path + ".new", "w", encoding="utf-8") as new:
                    json.dump(data, new)
                    new.flush()
                    os.fsync(new.fileno())
                os.replace(new.name, self.path)

    def hello(self, request):
        return {"name": "wiki", "version": "1.0.0", "abilities": ["check", "expiry", "sessions"]}

    def observe(self, request):
        with self.locked() as data:
            held = {key(g): g for g in data["grants"] if valid(g) and g["entitlement"] in request.get("scope", [])}
        return {"complete": True, "grants": [{k: g[k] for k in ("account", "entitlement")} for g in held.values()]}

    def apply(self, request):
        with self.locked() as data:
            results = []
            grants = {key(g): g for g in data["grants"]}
            for act in request["acts"]:
                try:
                    self.act(data, grants, act)
                    results.append({"id": act["id"], "ok": True})
                except Failure as e:
                    results.append({"id": act["id"], "error": {"code": e.code, "message": str(e)}})
            data["grants"] = list(grants.values())
        return {"results": results}

    def act(self, data, grants, act):
        if act["op"] == "revoke":
            grants.pop(key(act), None)  # already gone: fine
            return
        if act["account"] not in data["accounts"]:
            raise Failure(f"there is no account {act['account']!r}", "noAccount")
        if act["entitlement"]["role"] not in data["roles"]:
            raise Failure(f"there is no role {act['entitlement']['role']!r}")
        grants[key(act)] = {k: act[k] for k in ("account", "entitlement", "until") if k in act}

    def endSessions(self, request):
        with self.locked() as data:
            still = {key(g) for g in data["grants"] if valid(g)}
            lost = {key(g) for g in request["lost"]} - still
            data["sessions"] = [s for s in data["sessions"] if key(s) not in lost]
        return {"ended": True}

    def check(self, request):
        try:
            with self.locked() as data:
                absent = [e["role"] for e in request.get("scope", []) if e["role"] not in data["roles"]]
        except (OSError, ValueError) as e:
            return {"problems": [f"missing right: read and replace {self.path}: {type(e).__name__}"]}
        return {"problems": [f"there is no role {r!r}" for r in absent]}

    def answer(self, text):
        """One message in, one out. What fails is an answer, too."""
        request = json.loads(text)
        out = {"protocol": PROTOCOL, "id": request["id"]}
        try:
            if request["protocol"] != PROTOCOL:
                raise Failure(f"this plug-in speaks {PROTOCOL}")
            if request["call"] not in ("hello", "observe", "apply", "endSessions", "check"):
                raise Failure("unknown call")
            out |= getattr(self, request["call"])(request)
        except Failure as e:
            out["error"] = {"code": e.code, "message": str(e)}
        except (OSError, ValueError, KeyError) as e:
            out["error"] = {"code": "failed", "message": f"{self.path}: {type(e).__name__}"}
        return json.dumps(out).encode()


def key(grant):
    return grant["account"], grant["entitlement"]["role"], grant["entitlement"].get("resource")


def valid(grant):
    """The wiki itself looks at until, so that access ends without Tenure."""
    if "until" not in grant:
        return True
    return datetime.datetime.fromisoformat(grant["until"]) > datetime.datetime.now(datetime.timezone.utc)


def serve(wiki, port, secret):
    import hashlib, hmac, http.server, threading, time  # not needed, and slow, for one message

    def sign(*parts):
        return hmac.new(secret, b"\n".join(parts), hashlib.sha256).hexdigest()

    started, seen, guard = int(time.time()), {}, threading.Lock()

    def fresh(id, at):
        """Each id counts once; older requests than this process may have been seen by the last one."""
        now = time.time()
        with guard:
            for old in [i for i, t in seen.items() if t < now - 2 * WINDOW]:
                del seen[old]
            good = abs(now - at) <= WINDOW and at >= started and id not in seen
            if good:
                seen[id] = now
            return good

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60
        wbufsize = -1  # one packet an answer: two would wait for each other

        def do_POST(self):
            body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 8 << 20))
            at, given = self.headers.get("Tenure-Time", ""), self.headers.get("Tenure-Signature", "")
            want = sign(b"request", b"POST", self.path.encode(), at.encode(), body)
            if not hmac.compare_digest(want.encode(), given.encode()) or not fresh(json.loads(body)["id"], int(at)):
                return self.reply(401, b"", "")
            out = wiki.answer(body)
            self.reply(200, out, sign(b"answer", given.encode(), out))

        def reply(self, status, body, signature):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Tenure-Signature", signature)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    if len(sys.argv) == 2:
        sys.stdout.buffer.write(Wiki(sys.argv[1]).answer(sys.stdin.buffer.read()))
    elif len(sys.argv) == 5 and sys.argv[2] == "--listen":
        with open(sys.argv[4], "rb") as f:
            serve(Wiki(sys.argv[1]), int(sys.argv[3]), f.read().rstrip(b"\r\n"))
    else:
        sys.exit(__doc__)
