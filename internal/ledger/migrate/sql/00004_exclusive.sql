-- +goose Up
-- What is exclusive belongs to Tenure alone: who holds it without a request loses it.
ALTER TABLE scopes ADD COLUMN exclusive bigint NOT NULL DEFAULT 0;
ALTER TABLE scopes ADD COLUMN keep text NOT NULL DEFAULT '[]'; -- accounts that are left alone
ALTER TABLE scopes ADD COLUMN since text NOT NULL DEFAULT ''; -- accepted head since which it is exclusive
ALTER TABLE scopes ADD COLUMN listed bigint NOT NULL DEFAULT 0; -- the first list of strangers was confirmed and begun
ALTER TABLE scopes ADD COLUMN waits text NOT NULL DEFAULT ''; -- why nothing is taken away for now

-- +goose Down
ALTER TABLE scopes DROP COLUMN waits;
ALTER TABLE scopes DROP COLUMN listed;
ALTER TABLE scopes DROP COLUMN since;
ALTER TABLE scopes DROP COLUMN keep;
ALTER TABLE scopes DROP COLUMN exclusive;
