-- Version 1. Times are milliseconds since 1970, durations milliseconds, outcomes their names in the JSON form.

CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,
    flake TEXT NOT NULL,
    attribute TEXT NOT NULL,
    revision TEXT,
    started_at INTEGER NOT NULL,
    -- The process that does it: while that lives, a run without an outcome goes on.
    process INTEGER NOT NULL,
    outcome TEXT,
    duration INTEGER,
    passed INTEGER,
    failed INTEGER,
    others INTEGER
);
CREATE INDEX runs_of_flake ON runs (flake, started_at);

-- The path is the attribute path below the flake's outputs: `checks.x86_64-linux.fmt`.
CREATE TABLE checks (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    drv_path TEXT,
    outcome TEXT,
    duration INTEGER,
    cause TEXT,
    reason TEXT,
    PRIMARY KEY (run, path)
) WITHOUT ROWID;

CREATE TABLE steps (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    drv_path TEXT NOT NULL,
    system TEXT NOT NULL,
    machine TEXT NOT NULL,
    outcome TEXT,
    duration INTEGER,
    phase TEXT,
    -- What the build wrote, if it was short and passed; else there is a file.
    log BLOB,
    PRIMARY KEY (run, drv_path)
) WITHOUT ROWID;
CREATE INDEX steps_of_derivation ON steps (drv_path);

-- How each check of a flake ended when it last passed or failed, in whichever run that was.
CREATE TABLE verdicts (
    flake TEXT NOT NULL,
    path TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (flake, path)
) WITHOUT ROWID;

-- The last successful builds, ten of them and those of the last hour, of everything that has the same stem and system.
CREATE TABLE durations (
    stem TEXT NOT NULL,
    system TEXT NOT NULL,
    at INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    PRIMARY KEY (stem, system, at)
) WITHOUT ROWID;
