-- Version 6: tags that were seen, and what each run says of a commit that others are of, too.

CREATE TABLE tags (
    repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    -- Its name below refs/tags, and the commit that it stands for.
    name TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    PRIMARY KEY (repository, name)
) WITHOUT ROWID;

-- Whether its tags were ever looked at: those that are there the first time are not new.
ALTER TABLE repositories ADD COLUMN tags_seen INTEGER NOT NULL DEFAULT 0;

-- What runs say of their commits as a whole; `statuses` has what counts of it.
CREATE TABLE said (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    context TEXT NOT NULL,
    -- pending, success, failure or error.
    state TEXT NOT NULL,
    description TEXT NOT NULL,
    target_url TEXT NOT NULL,
    PRIMARY KEY (run, context)
) WITHOUT ROWID;

INSERT INTO said SELECT run, context, state, description, target_url FROM statuses
    WHERE instr(context, ' ') = 0 AND run IN (SELECT id FROM runs);

-- Whether the ref of a run was found to be gone, or its pull request closed.
ALTER TABLE runs ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;

CREATE INDEX runs_of_ref ON runs (repository, git_ref, id);
