-- Each change of a client or a role looks for the invitations that its holder made.
CREATE INDEX account_invitations_by_creator ON account_invitations (created_by);
