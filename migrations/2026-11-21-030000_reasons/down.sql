ALTER TABLE audit DROP COLUMN reason_parameters;
ALTER TABLE audit DROP COLUMN reason_code;
