-- Version 4: what is built again and again, and what runs warn of.

CREATE TABLE schedules (
    repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    -- Who says so: server, repository.
    origin TEXT NOT NULL,
    name TEXT NOT NULL,
    cron TEXT NOT NULL,
    branch TEXT NOT NULL,
    -- All of its times until then are dealt with.
    done_until INTEGER NOT NULL,
    -- The run that came of it last.
    run INTEGER,
    -- Why nothing came of it the last time.
    problem TEXT,
    PRIMARY KEY (repository, origin, name)
) WITHOUT ROWID;

CREATE TABLE warnings (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    -- In the order in which they came.
    number INTEGER NOT NULL,
    -- The attribute path below the flake's outputs that it is about, as in `checks`; NULL: none that is known.
    path TEXT,
    message TEXT NOT NULL,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;

-- How many there were, with those that are not kept.
ALTER TABLE runs ADD COLUMN warnings INTEGER NOT NULL DEFAULT 0;
