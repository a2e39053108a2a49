-- The last moment at which a node trusted its clock: what a node that starts compares its own with.
CREATE TABLE clock (
    id INTEGER NOT NULL PRIMARY KEY,
    seen_at BIGINT NOT NULL
);
INSERT INTO clock (id, seen_at)
SELECT 1, COALESCE(MAX(moment), 0)
FROM (SELECT MAX(written_at) AS moment FROM deployment UNION ALL SELECT MAX(happened_at) FROM audit) AS moments;
