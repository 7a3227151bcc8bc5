-- Version 6: tags that were seen, so that one that nobody told of is known to be new.

CREATE TABLE tags (
    repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    -- Its name below refs/tags, and the commit that it stands for.
    name TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    PRIMARY KEY (repository, name)
) WITHOUT ROWID;

-- Whether its tags were ever looked at: those that are there the first time are not new.
ALTER TABLE repositories ADD COLUMN tags_seen INTEGER NOT NULL DEFAULT 0;
