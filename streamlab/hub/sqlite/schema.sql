-- What the file holds. Times are seconds since the epoch by the store's own clock, which never goes back.

CREATE TABLE meta (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;

-- A run's log. `held`: by how many documents. `sum`: what the events before the kept ones amount to. `events`: all lines, compressed, once it is done.
CREATE TABLE logs (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    epoch TEXT NOT NULL,
    began REAL NOT NULL,
    done REAL,
    held INTEGER NOT NULL,
    size INTEGER NOT NULL DEFAULT 0,
    sum BLOB,
    events BLOB
);
CREATE INDEX logs_open ON logs (done) WHERE events IS NULL;
CREATE INDEX logs_done ON logs (done) WHERE events IS NOT NULL;
CREATE INDEX logs_unheld ON logs (done) WHERE events IS NOT NULL AND held = 0;

-- The lines of logs that are not done, in the order in which they came, so that a transaction writes to one place.
CREATE TABLE journal (id INTEGER PRIMARY KEY, log INTEGER NOT NULL, lines BLOB NOT NULL);

CREATE TABLE documents (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    used REAL NOT NULL,
    until REAL NOT NULL,
    stays INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (kind, key)
);
CREATE INDEX documents_until ON documents (until);
CREATE INDEX documents_used ON documents (used);

-- A log stays for as long as a document holds it.
CREATE TABLE holds (run_id TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (run_id, kind, key))
    WITHOUT ROWID;
CREATE INDEX holds_of_document ON holds (kind, key);
CREATE TRIGGER held AFTER INSERT ON holds BEGIN
    UPDATE logs SET held = held + 1 WHERE run_id = new.run_id;
END;
CREATE TRIGGER let_go AFTER DELETE ON holds BEGIN
    UPDATE logs SET held = held - 1 WHERE run_id = old.run_id;
END;
CREATE TRIGGER document_left AFTER DELETE ON documents BEGIN
    DELETE FROM holds WHERE kind = old.kind AND key = old.key;
END;

CREATE TABLE memberships (name TEXT NOT NULL, member TEXT NOT NULL, until REAL NOT NULL, PRIMARY KEY (name, member))
    WITHOUT ROWID;
