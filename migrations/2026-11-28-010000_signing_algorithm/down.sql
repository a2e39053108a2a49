ALTER TABLE resource_servers DROP COLUMN signing_algorithm;
