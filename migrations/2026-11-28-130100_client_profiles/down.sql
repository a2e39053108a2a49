DROP INDEX clients_with_profile;
CREATE INDEX clients_profile ON clients (profile);
