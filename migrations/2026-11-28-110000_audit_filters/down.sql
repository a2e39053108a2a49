DROP INDEX audit_by_request;
DROP INDEX audit_by_account_and_actor;
