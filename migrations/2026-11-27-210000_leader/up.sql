-- The node that runs the background jobs of which the deployment needs one. The leader raises the term every few
-- seconds; while the term stands still, another node takes over. No clock is compared.
CREATE TABLE leader (
    id INTEGER NOT NULL PRIMARY KEY,
    node TEXT NOT NULL,
    term BIGINT NOT NULL
);
INSERT INTO leader (id, node, term) VALUES (1, '', 0);
