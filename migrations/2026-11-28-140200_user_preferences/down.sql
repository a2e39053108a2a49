ALTER TABLE users DROP COLUMN language;
ALTER TABLE users DROP COLUMN time_zone;
