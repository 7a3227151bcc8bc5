-- Version 3: what `[serve]` on the default branch of a repository says, as JSON. NULL: it was not looked at yet.

ALTER TABLE repositories ADD COLUMN serve TEXT;
