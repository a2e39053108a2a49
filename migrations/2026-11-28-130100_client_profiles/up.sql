-- Few clients have a profile. With all of them in the index, SQLite reads the whole table instead
-- once ANALYZE has seen that nearly all rows have the same value.
DROP INDEX clients_profile;
CREATE INDEX clients_with_profile ON clients (profile) WHERE profile <> 'none';
