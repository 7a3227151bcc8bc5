BEGIN TRANSACTION;
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
INSERT INTO "checks" VALUES(1,'checks.x86_64-linux."odd “name” 🦀"',NULL,'evaluation_failed',NULL,NULL,'error: attribute ''x'' missing');
INSERT INTO "checks" VALUES(1,'checks.x86_64-linux.bad','/nix/store/cyj8njjpwhhy7hdd7waj21nffhjfxwl1-bad.drv','failed',57,'/nix/store/cyj8njjpwhhy7hdd7waj21nffhjfxwl1-bad.drv','builder failed with exit code 3');
INSERT INTO "checks" VALUES(1,'checks.x86_64-linux.good','/nix/store/sh92l60dk15h5ry61kfdrb3n2rcnx6sz-good.drv','built',32,NULL,NULL);
INSERT INTO "checks" VALUES(2,'checks.x86_64-linux.good','/nix/store/sh92l60dk15h5ry61kfdrb3n2rcnx6sz-good.drv',NULL,NULL,NULL,NULL);
CREATE TABLE durations (
    stem TEXT NOT NULL,
    system TEXT NOT NULL,
    at INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    PRIMARY KEY (stem, system, at)
) WITHOUT ROWID;
INSERT INTO "durations" VALUES('clippy','x86_64-linux',1795722090000,64123);
INSERT INTO "durations" VALUES('good','x86_64-linux',1795808490000,32);
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
INSERT INTO "runs" VALUES(1,'20261127-1941-2f3c','/home/me/my-flake','checks','3f2c1ab +dirty',1795808490000,4711,'failed',64210,1,2,1);
INSERT INTO "runs" VALUES(2,'20261127-1950-77aa','/home/me/my-flake','checks',NULL,1795809030000,4811,NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO "steps" VALUES(1,'/nix/store/cyj8njjpwhhy7hdd7waj21nffhjfxwl1-bad.drv','x86_64-linux','','failed',57,'buildPhase',NULL);
INSERT INTO "steps" VALUES(1,'/nix/store/sh92l60dk15h5ry61kfdrb3n2rcnx6sz-good.drv','x86_64-linux','ssh-ng://builder','built',32,NULL,X'66696E650A1B5B33316D7265641B5B306D0AFF');
CREATE TABLE verdicts (
    flake TEXT NOT NULL,
    path TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (flake, path)
) WITHOUT ROWID;
INSERT INTO "verdicts" VALUES('/home/me/my-flake','checks.x86_64-linux.bad','failed',1795808490000);
INSERT INTO "verdicts" VALUES('/home/me/my-flake','checks.x86_64-linux.good','built',1795808490000);
CREATE INDEX runs_of_flake ON runs (flake, started_at);
CREATE INDEX steps_of_derivation ON steps (drv_path);
COMMIT;
PRAGMA user_version = 1;
