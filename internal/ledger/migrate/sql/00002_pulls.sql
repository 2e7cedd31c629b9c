-- +goose Up
-- The pull request that an emergency was opened with; 0: the request is a file on
-- the branch.
ALTER TABLE requests ADD COLUMN pull bigint NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE requests DROP COLUMN pull;
