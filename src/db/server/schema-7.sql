-- Version 7: commits that are built once more although their refs are elsewhere, and how often runs are tried again.

-- Whether a run builds its commit for itself, wherever its ref is: nothing is run after it, and it leaves nothing behind.
ALTER TABLE runs ADD COLUMN for_itself INTEGER NOT NULL DEFAULT 0;

-- How often a run is tried again because the machine was at fault: `attempt` counts starts of the server, too.
ALTER TABLE runs ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;

-- Which of those by hand are so was not written down.
UPDATE runs SET for_itself = 1 WHERE kind = 'manual' AND state NOT IN ('taken', 'finished');
