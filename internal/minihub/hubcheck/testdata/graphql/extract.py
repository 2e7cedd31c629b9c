#!/usr/bin/env python3
"""Extract from GitHub's public GraphQL schema the fields that the connector reads.

usage: extract.py octokit-graphql-schema-15.26.1.tgz > github.graphql

The input is the tarball of the npm package @octokit/graphql-schema (`npm pack
@octokit/graphql-schema@15.26.1`). Kept are the listed fields with all their
arguments, and whole the enums, scalars and inputs that those need. Dropped are
descriptions, directives, and interfaces that no query asks through.
"""
import json
import sys
import tarfile

FIELDS = {
    "Node": ["id"],
    "Query": ["node", "organization", "repository"],
    "Organization": ["id", "login", "team", "viewerCanAdminister"],
    "PageInfo": ["endCursor", "hasNextPage"],
    "PermissionSource": ["permission", "roleName", "source"],
    "Repository": ["collaborators", "id", "name", "owner"],
    "RepositoryCollaboratorConnection": ["edges", "pageInfo", "totalCount"],
    "RepositoryCollaboratorEdge": ["node", "permissionSources"],
    "RepositoryOwner": ["login"],
    "Team": ["id", "members", "slug"],
    "TeamMemberConnection": ["edges", "pageInfo", "totalCount"],
    "TeamMemberEdge": ["node", "role"],
    "User": ["databaseId", "id", "login"],
}
INTERFACES = ["Node", "RepositoryOwner"]
BUILT_IN = ["String", "Int", "Float", "Boolean", "ID"]


def kind(t):
    if t["kind"] == "NON_NULL":
        return kind(t["ofType"]) + "!"
    if t["kind"] == "LIST":
        return "[" + kind(t["ofType"]) + "]"
    return t["name"]


def base(t):
    return base(t["ofType"]) if t.get("ofType") else t["name"]


def value(v):
    text = f"{v['name']}: {kind(v['type'])}"
    return text + (f" = {v['defaultValue']}" if v.get("defaultValue") is not None else "")


def main():
    with tarfile.open(sys.argv[1]) as tar:
        doc = json.load(tar.extractfile("package/schema.json"))
    schema = doc.get("__schema") or doc["data"]["__schema"]
    types = {t["name"]: t for t in schema["types"]}
    need, done, out = sorted(FIELDS), set(), []
    while need:
        name = need.pop(0)
        if name in done or name in BUILT_IN:
            continue
        done.add(name)
        t = types[name]
        if t["kind"] == "SCALAR":
            out.append(f"scalar {name}")
        elif t["kind"] == "ENUM":
            out.append(f"enum {name} {{\n" + "".join(f"  {v['name']}\n" for v in t["enumValues"]) + "}")
        elif t["kind"] == "INPUT_OBJECT":
            out.append(f"input {name} {{\n" + "".join(f"  {value(f)}\n" for f in t["inputFields"]) + "}")
            need += [base(f["type"]) for f in t["inputFields"]]
        elif t["kind"] == "UNION":
            out.append(f"union {name} = " + " | ".join(sorted(p["name"] for p in t["possibleTypes"])))
        else:
            lines = []
            for f in t["fields"]:
                if f["name"] not in FIELDS[name]:
                    continue
                args = ", ".join(value(a) for a in f["args"])
                lines.append(f"  {f['name']}" + (f"({args})" if args else "") + f": {kind(f['type'])}\n")
                need += [base(f["type"])] + [base(a["type"]) for a in f["args"]]
            word = "interface" if t["kind"] == "INTERFACE" else "type"
            of = [i["name"] for i in t.get("interfaces") or [] if i["name"] in INTERFACES]
            out.append(f"{word} {name}" + (" implements " + " & ".join(of) if of else "") + " {\n" + "".join(lines) + "}")
    print("\n\n".join(out))


if __name__ == "__main__":
    main()
