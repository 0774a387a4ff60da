-- What many write down beside a document, numbered from 1. The entries leave with their document.
CREATE TABLE ledgers (kind TEXT NOT NULL, key TEXT NOT NULL, number INTEGER NOT NULL, entry BLOB NOT NULL,
    PRIMARY KEY (kind, key, number)) WITHOUT ROWID;
CREATE TRIGGER document_left_ledger AFTER DELETE ON documents BEGIN
    DELETE FROM ledgers WHERE kind = old.kind AND key = old.key;
END;
