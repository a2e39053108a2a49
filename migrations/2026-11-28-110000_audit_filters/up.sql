-- The other conditions that the lists of the audit filter by, each in the order in which it is listed.
CREATE INDEX audit_by_account_and_actor ON audit (account_id, actor, id);
CREATE INDEX audit_by_request ON audit (request_id, id) WHERE request_id IS NOT NULL;
