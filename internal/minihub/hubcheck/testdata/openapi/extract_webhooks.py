#!/usr/bin/env python3
"""Extract from GitHub's description of webhooks the events that minihub sends.

usage: extract_webhooks.py octokit-openapi-webhooks-12.1.0.tgz > webhooks.json

The input is the tarball of the npm package @octokit/openapi-webhooks (`npm pack
@octokit/openapi-webhooks@12.1.0`). Each event becomes a path that it is posted to,
/EVENT/ACTION or /EVENT, so that its headers and its body can be validated as
those of a request. What is dropped is dropped as in extract.py.
"""
import json
import sys
import tarfile

from extract import clean, references

KEEP = {
    "push": "/push",
    "pull-request-opened": "/pull_request/opened",
    "pull-request-synchronize": "/pull_request/synchronize",
    "pull-request-reopened": "/pull_request/reopened",
    "pull-request-closed": "/pull_request/closed",
    "pull-request-edited": "/pull_request/edited",
    "pull-request-review-submitted": "/pull_request_review/submitted",
    "pull-request-review-dismissed": "/pull_request_review/dismissed",
}


def older(node):
    """Say of OpenAPI 3.1's null what OpenAPI 3.0 says with nullable."""
    if isinstance(node, list):
        return [older(n) for n in node]
    if not isinstance(node, dict):
        return node
    out = {k: older(v) for k, v in node.items()}
    kind = out.get("type")
    if isinstance(kind, list):
        rest = [k for k in kind if k != "null"]
        if len(rest) < len(kind):
            out["nullable"] = True
        if len(rest) == 1:
            out["type"] = rest[0]
        else:
            del out["type"]
            out["anyOf"] = [{"type": k} for k in rest]
    for key in ("anyOf", "oneOf"):
        if isinstance(out.get(key), list) and {"type": "null"} in out[key]:
            out[key] = [s for s in out[key] if s != {"type": "null"}]
            out["nullable"] = True
    return out


def main():
    with tarfile.open(sys.argv[1]) as tar:
        doc = json.load(tar.extractfile("package/generated/api.github.com.json"))
    paths = {}
    for name, path in KEEP.items():
        op = clean(doc["webhooks"][name]["post"])
        paths[path] = {"post": {
            "operationId": op["operationId"], "parameters": op["parameters"],
            "requestBody": op["requestBody"], "responses": {"200": {"description": ""}},
        }}
    schemas, todo = {}, list(references(paths))
    while todo:
        name = todo.pop().rsplit("/", 1)[1]
        if name not in schemas:
            schemas[name] = older(clean(doc["components"]["schemas"][name]))
            todo.extend(references(schemas[name]))
    head = schemas["pull-request"]["properties"]["head"]["properties"]
    head["repo"] = {"allOf": [head["repo"]], "nullable": True}  # as in extract.py
    out = {
        "openapi": "3.0.3",
        "info": {"title": doc["info"]["title"], "version": doc["info"]["version"]},
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items()))},
    }
    json.dump(out, sys.stdout, sort_keys=True, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
