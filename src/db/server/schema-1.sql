-- Version 1. Times are milliseconds since 1970, durations milliseconds, outcomes their names in the JSON form.
-- What a forge calls a thing by (`forge_id`) stays; names change.

CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY,
    forge TEXT NOT NULL,
    -- The forge's own id of the delivery.
    delivery TEXT NOT NULL,
    event TEXT NOT NULL,
    content_type TEXT NOT NULL,
    -- Dropped when it is handled.
    body BLOB,
    received_at INTEGER NOT NULL,
    handled_at INTEGER,
    result TEXT,
    UNIQUE (forge, delivery)
);
CREATE INDEX deliveries_open ON deliveries (id) WHERE handled_at IS NULL;
CREATE INDEX deliveries_old ON deliveries (received_at);

CREATE TABLE repositories (
    id INTEGER PRIMARY KEY,
    forge TEXT NOT NULL,
    forge_id TEXT NOT NULL,
    full_name TEXT NOT NULL,
    default_branch TEXT NOT NULL,
    private INTEGER NOT NULL,
    installation TEXT,
    -- 0: no longer built; what was is kept.
    enabled INTEGER NOT NULL DEFAULT 1,
    paused INTEGER NOT NULL DEFAULT 0,
    -- What is wrong with it, for people.
    problem TEXT,
    seen_at INTEGER NOT NULL,
    UNIQUE (forge, forge_id)
);
CREATE INDEX repositories_by_name ON repositories (forge, full_name);

CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    -- push, tag, pull_request, merge_queue, manual, schedule
    kind TEXT NOT NULL,
    -- The full ref, such as refs/heads/main or refs/pull/7/head.
    git_ref TEXT NOT NULL,
    -- Statuses go to this commit: of a pull request its head.
    commit_id TEXT NOT NULL,
    base_ref TEXT,
    base_commit TEXT,
    pull_request INTEGER,
    title TEXT NOT NULL DEFAULT '',
    actor TEXT NOT NULL DEFAULT '',
    -- The forge's id of who wrote what is built.
    author_id TEXT,
    author TEXT,
    -- What is evaluated, and its tree; known when it is fetched.
    tested_commit TEXT,
    tree TEXT,
    -- All that decides the result besides the tree.
    settings TEXT,
    -- queued, approval, running, finished
    state TEXT NOT NULL,
    -- trusted, approved or stranger; NULL: not asked yet.
    trust TEXT,
    attempt INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL DEFAULT 0,
    outcome TEXT,
    error TEXT,
    -- Counts of outcomes, JSON.
    counts TEXT,
    checks INTEGER,
    reused_from INTEGER,
    reason TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    evaluated_at INTEGER,
    finished_at INTEGER
);
CREATE INDEX runs_open ON runs (state, id) WHERE state <> 'finished';
CREATE INDEX runs_of_repository ON runs (repository, id);
CREATE INDEX runs_of_commit ON runs (repository, commit_id);
CREATE INDEX runs_of_tree ON runs (repository, tree) WHERE tree IS NOT NULL;

CREATE TABLE checks (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    -- Below the flake's outputs: checks.x86_64-linux.fmt.
    path TEXT NOT NULL,
    name TEXT NOT NULL,
    system TEXT NOT NULL,
    drv_path TEXT,
    -- JSON: output name to store path.
    outputs TEXT,
    outcome TEXT,
    duration INTEGER,
    cause TEXT,
    reason TEXT,
    allowed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, path)
) WITHOUT ROWID;

CREATE TABLE steps (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    drv_path TEXT NOT NULL,
    name TEXT NOT NULL,
    system TEXT NOT NULL,
    machine TEXT NOT NULL,
    phase TEXT,
    outcome TEXT,
    started_at INTEGER,
    duration INTEGER,
    error TEXT,
    -- The last lines of one that failed.
    log_tail TEXT,
    -- What it said, if it was short and passed; else there is a file.
    log BLOB,
    UNIQUE (run, drv_path)
);

CREATE TABLE statuses (
    id INTEGER PRIMARY KEY,
    repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    commit_id TEXT NOT NULL,
    context TEXT NOT NULL,
    run INTEGER,
    state TEXT NOT NULL,
    description TEXT NOT NULL,
    target_url TEXT NOT NULL,
    -- Counts changes; what the forge has is behind while `sent` is smaller.
    version INTEGER NOT NULL DEFAULT 1,
    sent INTEGER NOT NULL DEFAULT 0,
    -- The version whose sending has begun.
    sending INTEGER NOT NULL DEFAULT 0,
    -- What the forge calls it, where it has a check run.
    remote INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL DEFAULT 0,
    changed_at INTEGER NOT NULL,
    error TEXT,
    UNIQUE (repository, commit_id, context)
);
CREATE INDEX statuses_open ON statuses (not_before) WHERE sent < version;
CREATE INDEX statuses_of_run ON statuses (run);

CREATE TABLE failed_builds (
    drv_path TEXT PRIMARY KEY,
    run INTEGER NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE approvals (
    repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    pull_request INTEGER NOT NULL,
    commit_id TEXT NOT NULL,
    who TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (repository, pull_request, commit_id)
) WITHOUT ROWID;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    detail TEXT NOT NULL
);

-- How long builds of a stem and system took, the last ten.
CREATE TABLE durations (
    stem TEXT NOT NULL,
    system TEXT NOT NULL,
    at INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    PRIMARY KEY (stem, system, at)
) WITHOUT ROWID;
