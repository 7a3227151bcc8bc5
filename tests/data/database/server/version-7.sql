BEGIN TRANSACTION;
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
INSERT INTO "annotations" VALUES(1,'build',0,'flake.nix',3,1,'src.tar.gz: wrong hash','"sha256-AAAA" -> "sha256-BBBB"');
INSERT INTO "annotations" VALUES(1,'eval',0,'nix/checks.nix',12,0,'good failed to evaluate','attribute `x` missing
at nix/checks.nix:12:5:');
CREATE TABLE approvals (
    repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    pull_request INTEGER NOT NULL,
    commit_id TEXT NOT NULL,
    who TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (repository, pull_request, commit_id)
) WITHOUT ROWID;
INSERT INTO "approvals" VALUES(1,7,'e7eea407579e036dea8c3a36a5f0e747edc46ffc','writer',1795808491220);
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    detail TEXT NOT NULL
);
INSERT INTO "audit" VALUES(1,1795808491221,'work:writer','approved','acme/demo run 2');
INSERT INTO "audit" VALUES(2,1795808443000,'ctl','began','acme/demo main: look at it again');
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
INSERT INTO "checks" VALUES(1,'checks.x86_64-linux.bad','bad','x86_64-linux','/nix/store/cyj8njjpwhhy7hdd7waj21nffhjfxwl1-bad.drv','{"out":"/nix/store/l2xah1kplbqmlfb2i4pbppxynd1wicc3-bad"}','failed',57,NULL,'builder failed with exit code 3',0);
INSERT INTO "checks" VALUES(1,'checks.x86_64-linux.good','good','x86_64-linux','/nix/store/sh92l60dk15h5ry61kfdrb3n2rcnx6sz-good.drv','{"out":"/nix/store/c37j59gabca351mh0fpj5alimqllqh5j-good"}','built',32,NULL,NULL,0);
INSERT INTO "checks" VALUES(2,'checks.x86_64-linux.bad','bad','x86_64-linux','/nix/store/cyj8njjpwhhy7hdd7waj21nffhjfxwl1-bad.drv','{"out":"/nix/store/l2xah1kplbqmlfb2i4pbppxynd1wicc3-bad"}','failed',1,NULL,'it failed in run 1 already: builder failed with exit code 3',0);
INSERT INTO "checks" VALUES(2,'checks.x86_64-linux.good','good','x86_64-linux','/nix/store/sh92l60dk15h5ry61kfdrb3n2rcnx6sz-good.drv','{"out":"/nix/store/c37j59gabca351mh0fpj5alimqllqh5j-good"}','cached',0,NULL,NULL,0);
INSERT INTO "checks" VALUES(3,'checks.x86_64-linux.good','good','x86_64-linux','/nix/store/sh92l60dk15h5ry61kfdrb3n2rcnx6sz-good.drv','{"out":"/nix/store/c37j59gabca351mh0fpj5alimqllqh5j-good"}','cached',0,NULL,NULL,0);
INSERT INTO "checks" VALUES(3,'checks.x86_64-linux.slow','slow','x86_64-linux','/nix/store/9ssj7makq0rks3z82csh30aypvf3skvi-slow.drv',NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "checks" VALUES(5,'checks.aarch64-linux."odd name"','"odd name"','aarch64-linux','/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1ag-odd.drv','{"out":null}','dependency_failed',12,'/nix/store/2wx9ls4gx7jsqy4cmp4cd0i4swxyc4ac-dep.drv','its dependency failed',1);
CREATE TABLE commands (
    repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    -- `comment` and the forge's id of it; `webhook` and a digest of its body for what has no id.
    word TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (repository, word)
) WITHOUT ROWID;
INSERT INTO "commands" VALUES(1,'comment 99',1795808490520);
INSERT INTO "commands" VALUES(1,'webhook 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae',1795808491520);
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
INSERT INTO "deliveries" VALUES(1,'work','delivery-1','push','application/json',NULL,1795808489971,1795808489982,'');
INSERT INTO "deliveries" VALUES(2,'work','delivery-2','pull_request','application/json',NULL,1795808491129,1795808491131,' run 2');
INSERT INTO "deliveries" VALUES(3,'work','delivery-3','issue_comment','application/json',NULL,1795808491218,1795808491221,'approved by writer');
INSERT INTO "deliveries" VALUES(4,'work','delivery-4','push','application/json',NULL,1795808491630,1795808491632,' run 3');
INSERT INTO "deliveries" VALUES(5,'work','6b7f4c52-cb0a-4a4e-8c53-5c5b3a3a9f10','push','application/json',X'7B22726566223A22726566732F68656164732F676F6E65222C226265666F7265223A2230303030303030303030303030303030303030303030303030303030303030303030303030303030222C226166746572223A2237643166366330653061346637613566306237653163376434613066336630663561336232633164222C22636F6D6D697473223A5B5D2C227265706F7369746F7279223A7B226964223A31322C2266756C6C5F6E616D65223A2261636D652F64656D6F222C2264656661756C745F6272616E6368223A226D61696E222C2270726976617465223A66616C73657D2C22707573686572223A7B226964223A322C226C6F67696E223A22777269746572227D2C2273656E646572223A7B226964223A322C226C6F67696E223A22777269746572227D7D',1795808493000,NULL,NULL);
CREATE TABLE durations (
    stem TEXT NOT NULL,
    system TEXT NOT NULL,
    at INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    PRIMARY KEY (stem, system, at)
) WITHOUT ROWID;
INSERT INTO "durations" VALUES('clippy','x86_64-linux',1795722093000,64123);
INSERT INTO "durations" VALUES('good','x86_64-linux',1795808490508,32);
CREATE TABLE failed_builds (
    drv_path TEXT PRIMARY KEY,
    run INTEGER NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "failed_builds" VALUES('/nix/store/2wx9ls4gx7jsqy4cmp4cd0i4swxyc4ac-dep.drv',5,1795808418000,'timed out after 3600 s');
INSERT INTO "failed_builds" VALUES('/nix/store/cyj8njjpwhhy7hdd7waj21nffhjfxwl1-bad.drv',1,1795808490495,'builder failed with exit code 3');
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
INSERT INTO "post_builds" VALUES(1,1,'checks.x86_64-linux.good','deploy','e177e6cce62f459d5dae41a192ac298b38d5d08f23c0f0179d0e04eef6f2c45b',0,'passed',NULL,NULL,1795808490510,20);
INSERT INTO "post_builds" VALUES(2,1,'checks.x86_64-linux.good','tell','40528c3cd101f69b76f6f078b4f0de2e344e4927fdc0c89cf38b60642146618b',1,'failed','exit status: 7',NULL,1795808490531,9);
INSERT INTO "post_builds" VALUES(3,3,'checks.x86_64-linux.good','deploy','e177e6cce62f459d5dae41a192ac298b38d5d08f23c0f0179d0e04eef6f2c45b',0,'passed',NULL,1,1795808491885,11);
INSERT INTO "post_builds" VALUES(4,3,'checks.x86_64-linux.good','tell','40528c3cd101f69b76f6f078b4f0de2e344e4927fdc0c89cf38b60642146618b',1,'failed','exit status: 7',NULL,1795808491907,17);
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
    seen_at INTEGER NOT NULL, serve TEXT, tags_seen INTEGER NOT NULL DEFAULT 0,
    UNIQUE (forge, forge_id)
);
INSERT INTO "repositories" VALUES(1,'work','12','acme/demo','main',0,NULL,1,0,NULL,1795808490054,'{"branches":["release-*"],"tags":[],"required":["checks.x86_64-linux.good"],"pull_requests":null}',1);
INSERT INTO "repositories" VALUES(2,'hub','812345','acme/sekret','trunk',1,'5523',0,1,'the App is not installed there any more',1795722093000,NULL,0);
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
, warnings INTEGER NOT NULL DEFAULT 0, gone INTEGER NOT NULL DEFAULT 0, for_itself INTEGER NOT NULL DEFAULT 0, retries INTEGER NOT NULL DEFAULT 0);
INSERT INTO "runs" VALUES(1,1,'push','refs/heads/main','66038ff0cc66eb49a683994fca257e2844f86fb5',NULL,NULL,NULL,'rules','',NULL,NULL,'66038ff0cc66eb49a683994fca257e2844f86fb5','17e414f8f6c5946a1a5519901397614c346be501','nix 2.34.8 · x86_64-linux i686-linux · trusted · checks.x86_64-linux.good','finished','trusted',1,0,'failed',NULL,'{"built":1,"failed":1}',2,NULL,NULL,1795808489980,1795808490055,1795808490325,1795808490761,3,0,0,0);
INSERT INTO "runs" VALUES(2,1,'pull_request','refs/pull/7/head','e7eea407579e036dea8c3a36a5f0e747edc46ffc','refs/heads/main','66038ff0cc66eb49a683994fca257e2844f86fb5',7,'A fix','reader','3','reader','e7eea407579e036dea8c3a36a5f0e747edc46ffc','55da347668ce5cf4ccd5f5614126ec5a1a95334e','nix 2.34.8 · x86_64-linux i686-linux · trusted · checks.x86_64-linux.good','finished','approved',1,0,'failed',NULL,'{"cached":1,"failed":1}',2,NULL,NULL,1795808491131,1795808491246,1795808491441,1795808491459,0,1,0,0);
INSERT INTO "runs" VALUES(3,1,'push','refs/heads/main','f64b878d63de58ee9983e08167737069f95cf88f',NULL,NULL,NULL,'Something slow','writer',NULL,NULL,'f64b878d63de58ee9983e08167737069f95cf88f','3638ab3846d81d7dd3f8e17a1c45c50653fd1ff2','nix 2.34.8 · x86_64-linux i686-linux · trusted · checks.x86_64-linux.good','running','trusted',1,0,NULL,NULL,NULL,2,NULL,NULL,1795808491632,1795808491679,1795808491907,NULL,0,0,0,1);
INSERT INTO "runs" VALUES(4,1,'manual','refs/heads/main','66038ff0cc66eb49a683994fca257e2844f86fb5',NULL,NULL,NULL,'rules — “déjà vu” 🦀','admin',NULL,NULL,'66038ff0cc66eb49a683994fca257e2844f86fb5','17e414f8f6c5946a1a5519901397614c346be501','nix 2.34.8 · x86_64-linux i686-linux · trusted','finished','trusted',1,0,'failed',NULL,'{"built":1,"failed":1}',2,1,'look at it again',1795808443000,1795808444000,1795808445000,1795808446000,0,0,0,0);
INSERT INTO "runs" VALUES(5,2,'merge_queue','refs/heads/gh-readonly-queue/trunk/pr-9-0123456789abcdef0123456789abcdef01234567','0123456789abcdef0123456789abcdef01234567','refs/heads/trunk','89abcdef0123456789abcdef0123456789abcdef',9,'Merge pull request #9','merge-queue[bot]','77','octo','0123456789abcdef0123456789abcdef01234567','23456789abcdef0123456789abcdef0123456789','nix 2.34.8','finished','trusted',5,1795808490000,'errored','the daemon''s connection was lost','{"infrastructure_failed":1}',1,NULL,NULL,1795808403000,1795808413000,1795808423000,1795808433000,0,0,0,0);
CREATE TABLE said (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    context TEXT NOT NULL,
    -- pending, success, failure or error.
    state TEXT NOT NULL,
    description TEXT NOT NULL,
    target_url TEXT NOT NULL,
    PRIMARY KEY (run, context)
) WITHOUT ROWID;
INSERT INTO "said" VALUES(1,'nixci/build','failure','1 passed, 1 failed, 1 post-build step failed without effect','https://ci.example.org/runs/1');
INSERT INTO "said" VALUES(1,'nixci/eval','success','2 checks','https://ci.example.org/runs/1');
INSERT INTO "said" VALUES(2,'nixci/build','failure','1 passed, 1 failed','https://ci.example.org/runs/2');
INSERT INTO "said" VALUES(2,'nixci/eval','success','2 checks','https://ci.example.org/runs/2');
INSERT INTO "said" VALUES(3,'nixci/build','pending','building','https://ci.example.org/runs/3');
INSERT INTO "said" VALUES(3,'nixci/eval','success','2 checks','https://ci.example.org/runs/3');
INSERT INTO "said" VALUES(5,'nixci/build','error','the daemon''s connection was lost','https://ci.example.org/runs/5');
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
INSERT INTO "schedules" VALUES(1,'repository','weekly','17 3 * * sun','next',1795200000000,NULL,'there is no branch `next`');
INSERT INTO "schedules" VALUES(1,'server','nightly','30 2 * * *','main',1795808400000,4,NULL);
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
    error TEXT, annotated_by INTEGER, cancellable INTEGER NOT NULL DEFAULT 0,
    UNIQUE (repository, commit_id, context)
);
INSERT INTO "statuses" VALUES(1,1,'66038ff0cc66eb49a683994fca257e2844f86fb5','nixci/eval',1,'success','2 checks','https://ci.example.org/runs/1',3,3,3,NULL,0,0,1795808490520,NULL,NULL,0);
INSERT INTO "statuses" VALUES(2,1,'66038ff0cc66eb49a683994fca257e2844f86fb5','nixci/build',1,'failure','1 passed, 1 failed, 1 post-build step failed without effect','https://ci.example.org/runs/1',4,4,4,NULL,0,0,1795808490761,NULL,NULL,0);
INSERT INTO "statuses" VALUES(3,1,'66038ff0cc66eb49a683994fca257e2844f86fb5','nixci/build gitea:acme/demo#checks.x86_64-linux.bad',1,'failure','failed: builder failed with exit code 3','https://ci.example.org/runs/1',1,1,1,NULL,0,0,1795808490520,NULL,NULL,0);
INSERT INTO "statuses" VALUES(4,1,'e7eea407579e036dea8c3a36a5f0e747edc46ffc','nixci/eval',2,'success','2 checks','https://ci.example.org/runs/2',4,4,4,NULL,0,0,1795808491457,NULL,NULL,0);
INSERT INTO "statuses" VALUES(5,1,'e7eea407579e036dea8c3a36a5f0e747edc46ffc','nixci/build',2,'failure','1 passed, 1 failed','https://ci.example.org/runs/2',5,5,5,NULL,0,0,1795808491459,NULL,NULL,0);
INSERT INTO "statuses" VALUES(6,1,'e7eea407579e036dea8c3a36a5f0e747edc46ffc','nixci/build gitea:acme/demo#checks.x86_64-linux.bad',2,'failure','failed: it failed in run 1 already: builder failed with exit code 3','https://ci.example.org/runs/2',1,1,1,NULL,0,0,1795808491457,NULL,NULL,0);
INSERT INTO "statuses" VALUES(7,1,'f64b878d63de58ee9983e08167737069f95cf88f','nixci/eval',3,'success','2 checks','https://ci.example.org/runs/3',3,3,3,NULL,0,0,1795808492130,NULL,NULL,1);
INSERT INTO "statuses" VALUES(8,1,'f64b878d63de58ee9983e08167737069f95cf88f','nixci/build',3,'pending','building','https://ci.example.org/runs/3',3,3,3,NULL,0,0,1795808492130,NULL,NULL,0);
INSERT INTO "statuses" VALUES(9,2,'0123456789abcdef0123456789abcdef01234567','nixci/build',5,'error','the daemon''s connection was lost','https://ci.example.org/runs/5',3,2,3,9071,4,1795808492000,1795808433000,'HTTP 502',5,0);
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
INSERT INTO "steps" VALUES(1,1,'/nix/store/cyj8njjpwhhy7hdd7waj21nffhjfxwl1-bad.drv','bad','x86_64-linux','',NULL,'failed',1795808490438,57,'builder failed with exit code 3','oh no',NULL);
INSERT INTO "steps" VALUES(2,1,'/nix/store/sh92l60dk15h5ry61kfdrb3n2rcnx6sz-good.drv','good','x86_64-linux','',NULL,'built',1795808490475,32,'',NULL,X'66696E650A');
INSERT INTO "steps" VALUES(3,2,'/nix/store/cyj8njjpwhhy7hdd7waj21nffhjfxwl1-bad.drv','bad','x86_64-linux','',NULL,'failed',1795808491441,1,'it failed in run 1 already: builder failed with exit code 3',NULL,NULL);
INSERT INTO "steps" VALUES(4,3,'/nix/store/9ssj7makq0rks3z82csh30aypvf3skvi-slow.drv','slow','x86_64-linux','',NULL,NULL,1795808491947,NULL,NULL,NULL,NULL);
INSERT INTO "steps" VALUES(5,5,'/nix/store/2wx9ls4gx7jsqy4cmp4cd0i4swxyc4ac-dep.drv','dep','aarch64-linux','ssh-ng://builder','buildPhase','infrastructure_failed',1795808418000,5000,'the machine was lost','compiling
linking
',NULL);
CREATE TABLE tags (
    repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    -- Its name below refs/tags, and the commit that it stands for.
    name TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    PRIMARY KEY (repository, name)
) WITHOUT ROWID;
INSERT INTO "tags" VALUES(1,'nightly/2026-11-01','89abcdef0123456789abcdef0123456789abcdef');
INSERT INTO "tags" VALUES(1,'v1.0','0123456789abcdef0123456789abcdef01234567');
CREATE TABLE warnings (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    -- In the order in which they came.
    number INTEGER NOT NULL,
    -- The attribute path below the flake's outputs that it is about, as in `checks`; NULL: none that is known.
    path TEXT,
    message TEXT NOT NULL,
    PRIMARY KEY (run, number)
) WITHOUT ROWID;
INSERT INTO "warnings" VALUES(1,0,'checks.x86_64-linux.good','`foo` is deprecated
use `bar` — really');
INSERT INTO "warnings" VALUES(1,1,NULL,'Git tree is dirty');
CREATE INDEX deliveries_open ON deliveries (id) WHERE handled_at IS NULL;
CREATE INDEX deliveries_old ON deliveries (received_at);
CREATE INDEX repositories_by_name ON repositories (forge, full_name);
CREATE INDEX runs_open ON runs (state, id) WHERE state <> 'finished';
CREATE INDEX runs_of_repository ON runs (repository, id);
CREATE INDEX runs_of_commit ON runs (repository, commit_id);
CREATE INDEX runs_of_tree ON runs (repository, tree) WHERE tree IS NOT NULL;
CREATE INDEX statuses_open ON statuses (not_before) WHERE sent < version;
CREATE INDEX statuses_of_run ON statuses (run);
CREATE INDEX post_builds_of_check ON post_builds (path, name);
CREATE INDEX runs_of_ref ON runs (repository, git_ref, id);
COMMIT;
PRAGMA user_version = 7;
