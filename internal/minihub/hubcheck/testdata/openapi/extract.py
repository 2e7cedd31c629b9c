#!/usr/bin/env python3
"""Extract from GitHub's OpenAPI description the paths that minihub serves, or those
of organisations that the connector's stand-in serves.

usage: extract.py octokit-openapi-23.0.2.tgz > github.json
       extract.py --organizations octokit-openapi-23.0.2.tgz > organizations.json

The input is the tarball of the npm package @octokit/openapi (`npm pack
@octokit/openapi@23.0.2`). Kept are the listed paths and methods and all components
that they reference, directly or through others. Dropped are examples,
descriptions and vendor extensions: nothing is validated against them.
"""
import json
import sys
import tarfile

KEEP = {
    "/app": ["get"],
    "/app/installations/{installation_id}": ["get"],
    "/app/installations/{installation_id}/access_tokens": ["post"],
    "/rate_limit": ["get"],
    "/user": ["get"],
    "/user/{account_id}": ["get"],
    "/users/{username}": ["get"],
    "/repos/{owner}/{repo}": ["get"],
    "/repos/{owner}/{repo}/activity": ["get"],
    "/repos/{owner}/{repo}/branches": ["get"],
    "/repos/{owner}/{repo}/branches/{branch}": ["get"],
    "/repos/{owner}/{repo}/collaborators/{username}/permission": ["get"],
    "/repos/{owner}/{repo}/commits/{commit_sha}/pulls": ["get"],
    "/repos/{owner}/{repo}/commits/{ref}": ["get"],
    "/repos/{owner}/{repo}/commits/{ref}/status": ["get"],
    "/repos/{owner}/{repo}/commits/{ref}/statuses": ["get"],
    "/repos/{owner}/{repo}/contents/{path}": ["get"],
    "/repos/{owner}/{repo}/forks": ["post"],
    "/repos/{owner}/{repo}/git/blobs": ["post"],
    "/repos/{owner}/{repo}/git/blobs/{file_sha}": ["get"],
    "/repos/{owner}/{repo}/git/commits": ["post"],
    "/repos/{owner}/{repo}/git/commits/{commit_sha}": ["get"],
    "/repos/{owner}/{repo}/git/matching-refs/{ref}": ["get"],
    "/repos/{owner}/{repo}/git/ref/{ref}": ["get"],
    "/repos/{owner}/{repo}/git/refs": ["post"],
    "/repos/{owner}/{repo}/git/refs/{ref}": ["patch", "delete"],
    "/repos/{owner}/{repo}/git/trees": ["post"],
    "/repos/{owner}/{repo}/git/trees/{tree_sha}": ["get"],
    "/repos/{owner}/{repo}/issues/comments/{comment_id}": ["get", "patch", "delete"],
    "/repos/{owner}/{repo}/issues/{issue_number}/comments": ["get", "post"],
    "/repos/{owner}/{repo}/issues/{issue_number}/events": ["get"],
    "/repos/{owner}/{repo}/issues/{issue_number}/timeline": ["get"],
    "/repos/{owner}/{repo}/pulls": ["get", "post"],
    "/repos/{owner}/{repo}/pulls/{pull_number}": ["get", "patch"],
    "/repos/{owner}/{repo}/pulls/{pull_number}/commits": ["get"],
    "/repos/{owner}/{repo}/pulls/{pull_number}/files": ["get"],
    "/repos/{owner}/{repo}/pulls/{pull_number}/merge": ["get", "put"],
    "/repos/{owner}/{repo}/pulls/{pull_number}/reviews": ["get", "post"],
    "/repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}": ["get"],
    "/repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/dismissals": ["put"],
    "/repos/{owner}/{repo}/pulls/{pull_number}/update-branch": ["put"],
    "/repos/{owner}/{repo}/statuses/{sha}": ["post"],
}

ORGANIZATIONS = {
    "/app": ["get"],
    "/app/installations/{installation_id}": ["get"],
    "/app/installations/{installation_id}/access_tokens": ["post"],
    "/orgs/{org}/failed_invitations": ["get"],
    "/orgs/{org}/invitations": ["get"],
    "/orgs/{org}/invitations/{invitation_id}": ["delete"],
    "/orgs/{org}/invitations/{invitation_id}/teams": ["get"],
    "/orgs/{org}/members": ["get"],
    "/orgs/{org}/memberships/{username}": ["get", "put"],
    "/orgs/{org}/organization-roles": ["get"],
    "/orgs/{org}/organization-roles/users/{username}/{role_id}": ["put", "delete"],
    "/orgs/{org}/organization-roles/{role_id}/users": ["get"],
    "/orgs/{org}/teams/{team_slug}/invitations": ["get"],
    "/orgs/{org}/teams/{team_slug}/memberships/{username}": ["get", "put", "delete"],
    "/repos/{owner}/{repo}/collaborators/{username}": ["put", "delete"],
    "/repos/{owner}/{repo}/invitations": ["get"],
    "/repos/{owner}/{repo}/invitations/{invitation_id}": ["delete"],
    "/user": ["get"],
    "/user/{account_id}": ["get"],
    "/users/{username}": ["get"],
}

DROP = {"examples", "example", "externalDocs", "x-github", "x-github-breaking-changes"}


def clean(node, names=False):
    """Drop what is not validated; names: the keys of node are names, not keywords."""
    if isinstance(node, list):
        return [clean(n) for n in node]
    if not isinstance(node, dict):
        return node
    out = {}
    for key, value in node.items():
        if not names and (key in DROP or (key == "description" and isinstance(value, str))):
            continue
        out[key] = clean(value, key in ("properties", "patternProperties"))
    return out


def amend(components):
    """Correct what the description gets wrong about the live service."""
    # A pull request whose fork was deleted has no head repository.
    for name in ("pull-request", "pull-request-simple"):
        if name not in components["schemas"]:
            continue
        head = components["schemas"][name]["properties"]["head"]
        head["properties"]["repo"] = {"allOf": [head["properties"]["repo"]], "nullable": True}


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def main():
    keep = ORGANIZATIONS if sys.argv[1] == "--organizations" else KEEP
    with tarfile.open(sys.argv[-1]) as tar:
        doc = json.load(tar.extractfile("package/generated/api.github.com.json"))
    paths = {}
    for path, methods in keep.items():
        item = doc["paths"][path]
        paths[path] = {m: item[m] for m in methods}
        if "parameters" in item:
            paths[path]["parameters"] = item["parameters"]
    paths = {p: {m: clean(op) for m, op in item.items()} for p, item in paths.items()}
    for item in paths.values():
        for op in item.values():
            if isinstance(op, dict):
                for resp in op.get("responses", {}).values():
                    if "$ref" not in resp:
                        resp["description"] = ""  # required by OpenAPI

    components = {}
    todo = list(references(paths))
    while todo:
        ref = todo.pop()
        _, _, section, name = ref.split("/", 3)
        if section == "examples" or name in components.get(section, {}):
            continue
        value = clean(doc["components"][section][name])
        if section == "responses":
            value["description"] = ""
        components.setdefault(section, {})[name] = value
        todo.extend(references(value))

    amend(components)
    out = {
        "openapi": doc["openapi"],
        "info": {"title": doc["info"]["title"], "version": doc["info"]["version"],
                 "license": doc["info"]["license"]},
        "servers": [{"url": "/api/v3"}],
        "paths": paths,
        "components": {s: dict(sorted(c.items())) for s, c in sorted(components.items())},
    }
    json.dump(out, sys.stdout, sort_keys=True, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
