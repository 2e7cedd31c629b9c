-- +goose Up
-- One text for SQLite and PostgreSQL. Times are nanoseconds since 1970 in UTC, 0
-- is no time; truth values are 0 and 1; structured values are JSON.

-- The one row that every write locks first: there is one writer at a time.
CREATE TABLE head (
    id            bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    seq           bigint NOT NULL, -- of the last event
    hash          text   NOT NULL, -- of the last event
    version       bigint NOT NULL,
    fence         bigint NOT NULL, -- last fencing number that was given out
    accepted      text   NOT NULL,
    diverged      text   NOT NULL,
    repository_id bigint NOT NULL
);
INSERT INTO head (id, seq, hash, version, fence, accepted, diverged, repository_id)
VALUES (1, 0, '', 0, 0, '', '', 0);

CREATE TABLE leases (
    name  text   NOT NULL PRIMARY KEY,
    fence bigint NOT NULL,
    at    bigint NOT NULL
);

CREATE TABLE holds (
    target       text   NOT NULL,
    account      text   NOT NULL,
    entitlement  text   NOT NULL,
    subject      text   NOT NULL,
    role         text   NOT NULL,
    spec         text   NOT NULL,
    state        text   NOT NULL,
    pre_existing bigint NOT NULL,
    since        bigint NOT NULL,
    until        bigint NOT NULL,
    deadline     bigint NOT NULL,
    holders      text   NOT NULL,
    revoked      bigint NOT NULL,
    failures     bigint NOT NULL,
    retry_at     bigint NOT NULL,
    last_error   text   NOT NULL,
    PRIMARY KEY (target, account, entitlement)
);

CREATE TABLE requests (
    id       text   NOT NULL PRIMARY KEY,
    position bigint NOT NULL, -- order of first sight
    path     text   NOT NULL,
    live     bigint NOT NULL,
    body     text   NOT NULL,
    decision text   NOT NULL,
    ended_at bigint NOT NULL,
    floor_at bigint NOT NULL,
    revert   text   NOT NULL
);
CREATE INDEX requests_path ON requests (path);
CREATE INDEX requests_open ON requests (live, ended_at);
CREATE INDEX requests_revert ON requests (revert);

CREATE TABLE config_contents (
    digest text NOT NULL PRIMARY KEY,
    files  text NOT NULL
);
CREATE TABLE config_states (
    commit_hash text NOT NULL PRIMARY KEY,
    digest      text NOT NULL REFERENCES config_contents (digest)
);

CREATE TABLE confirmations (
    commit_hash text   NOT NULL PRIMARY KEY,
    who         text   NOT NULL,
    at          bigint NOT NULL
);
CREATE TABLE pauses (
    target text   NOT NULL PRIMARY KEY,
    who    text   NOT NULL,
    at     bigint NOT NULL
);

-- What drift is looked for in.
CREATE TABLE scopes (
    target      text NOT NULL,
    entitlement text NOT NULL,
    PRIMARY KEY (target, entitlement)
);

CREATE TABLE drift (
    target      text   NOT NULL,
    account     text   NOT NULL,
    entitlement text   NOT NULL,
    since       bigint NOT NULL,
    PRIMARY KEY (target, account, entitlement)
);

CREATE TABLE reverts (
    name     text   NOT NULL PRIMARY KEY,
    number   bigint NOT NULL,
    url      text   NOT NULL,
    state    text   NOT NULL,
    head_sha text   NOT NULL,
    paths    text   NOT NULL,
    due_at   bigint NOT NULL
);

CREATE TABLE events (
    seq     bigint NOT NULL PRIMARY KEY,
    at      bigint NOT NULL,
    kind    text   NOT NULL,
    target  text   NOT NULL,
    account text   NOT NULL,
    request text   NOT NULL,
    data    text   NOT NULL, -- canonical JSON, or empty
    prev    text   NOT NULL,
    hash    text   NOT NULL
);
CREATE INDEX events_target ON events (target, account, seq);
CREATE INDEX events_request ON events (request, seq);

-- Which jobs of a kind and key wait to run; the jobs themselves are the queue's.
CREATE TABLE job_keys (
    kind   text   NOT NULL,
    name   text   NOT NULL,
    token  text   NOT NULL,
    run_at bigint NOT NULL,
    PRIMARY KEY (kind, name)
);

-- +goose Down
DROP TABLE job_keys;
DROP TABLE events;
DROP TABLE reverts;
DROP TABLE drift;
DROP TABLE scopes;
DROP TABLE pauses;
DROP TABLE confirmations;
DROP TABLE config_states;
DROP TABLE config_contents;
DROP TABLE requests;
DROP TABLE holds;
DROP TABLE leases;
DROP TABLE head;
