-- Version 2: commands that are run after a check has passed.

CREATE TABLE post_builds (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    -- The attribute path of the check below the flake's outputs, as in `checks`.
    path TEXT NOT NULL,
    -- What the step is called.
    name TEXT NOT NULL,
    -- A digest of all it is given but for its secrets.
    digest TEXT NOT NULL,
    warn_only INTEGER NOT NULL,
    -- passed, failed, timed_out, cancelled; NULL: it is not over, or the server was killed.
    outcome TEXT,
    reason TEXT,
    -- The run that did the very same as the last one of this ref, so that nothing was done.
    done_in INTEGER,
    started_at INTEGER NOT NULL,
    duration INTEGER,
    UNIQUE (run, path, name)
);
CREATE INDEX post_builds_of_check ON post_builds (path, name);
