-- Version 5: commands from forges, and places in files that check runs point at.

-- Comments, buttons and re-runs that were carried out: told again under whatever name, they do nothing.
CREATE TABLE commands (
    repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    -- `comment` and the forge's id of it; `webhook` and a digest of its body for what has no id.
    word TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (repository, word)
) WITHOUT ROWID;

CREATE TABLE annotations (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    -- eval or build: which check run of the run has it.
    part TEXT NOT NULL,
    -- In the order in which they came.
    number INTEGER NOT NULL,
    -- The file, from the top of the repository, and the line in it.
    file TEXT NOT NULL,
    line INTEGER NOT NULL,
    -- Whether nothing fails by it.
    allowed INTEGER NOT NULL,
    title TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (run, part, number)
) WITHOUT ROWID;

-- The run whose annotations the check run has. They stay with it: what another run says is told by another check run.
ALTER TABLE statuses ADD COLUMN annotated_by INTEGER;
-- Whether the check run has a button that ends its run, which goes when the run is over.
ALTER TABLE statuses ADD COLUMN cancellable INTEGER NOT NULL DEFAULT 0;
