ALTER TABLE tokens DROP COLUMN api_key_id;
ALTER TABLE tokens DROP COLUMN token_epoch;
ALTER TABLE clients DROP COLUMN token_epoch;
