DROP INDEX clients_profile;
ALTER TABLE clients DROP COLUMN profile;
