-- +goose Up
-- Files of the branch that are not in force as they stand.
CREATE TABLE not_in_force (
    path        text   NOT NULL PRIMARY KEY, -- empty: the tree as a whole
    commit_hash text   NOT NULL,
    pull        bigint NOT NULL, -- 0: none is known
    why         text   NOT NULL,
    since       bigint NOT NULL,
    waits       text   NOT NULL -- reason of the confirmation that would bring it into force; empty: none would
);

-- A confirmation is for one thing that a commit does, and for the head that was
-- accepted when it was given. What was said before only lets removals through.
ALTER TABLE confirmations RENAME TO confirmations_before;
CREATE TABLE confirmations (
    reason      text   NOT NULL,
    commit_hash text   NOT NULL,
    head        text   NOT NULL, -- empty: of any
    who         text   NOT NULL,
    at          bigint NOT NULL,
    PRIMARY KEY (reason, commit_hash, head)
);
INSERT INTO confirmations (reason, commit_hash, head, who, at)
    SELECT 'removals', REPLACE(commit_hash, 'removals:', ''), '', MIN(who), MIN(at)
    FROM confirmations_before GROUP BY REPLACE(commit_hash, 'removals:', '');
DROP TABLE confirmations_before;

-- +goose Down
DROP TABLE not_in_force;
ALTER TABLE confirmations RENAME TO confirmations_after;
CREATE TABLE confirmations (
    commit_hash text   NOT NULL PRIMARY KEY,
    who         text   NOT NULL,
    at          bigint NOT NULL
);
INSERT INTO confirmations (commit_hash, who, at)
    SELECT 'removals:' || commit_hash, who, at FROM confirmations_after WHERE reason = 'removals';
DROP TABLE confirmations_after;
