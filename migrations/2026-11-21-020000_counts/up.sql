-- How often something happened in the minute or the hour that begins at a moment, on all nodes
-- together. The key is in order of time, so what is read is its end, and what is purged its begin.
CREATE TABLE counts (
    moment BIGINT NOT NULL,
    name TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (moment, name)
);
