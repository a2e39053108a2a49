-- What each node reports of itself, every half a minute, for the status of the installation. The report is a JSON
-- object. A node that stops deletes its row; a row that is a day old is of a node that was killed.
CREATE TABLE nodes (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    report TEXT NOT NULL
);
