-- A closed account: nothing of it is accepted until it is opened again. Each client has the time of its account, so that
-- nodes, which cache clients, need no other row.
ALTER TABLE accounts ADD COLUMN closed_at BIGINT;
ALTER TABLE clients ADD COLUMN account_closed_at BIGINT;
