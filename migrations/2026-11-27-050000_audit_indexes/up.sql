-- What the lists of the audit filter by, each in the order in which it is listed.
CREATE INDEX audit_by_account_and_action ON audit (account_id, action, id);
CREATE INDEX audit_by_action ON audit (action, id);
CREATE INDEX audit_by_actor ON audit (actor, id);
