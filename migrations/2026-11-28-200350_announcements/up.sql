-- Notices that an operator writes, shown in the portal from starts_at until ends_at: to the users of one account, or to all
-- if there is none.
CREATE TABLE announcements (
    id TEXT NOT NULL PRIMARY KEY,
    severity TEXT NOT NULL,
    text_en TEXT NOT NULL,
    text_fr TEXT NOT NULL,
    account_id TEXT,
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL
);
CREATE INDEX announcements_by_end ON announcements (ends_at);

-- Which user has dismissed which notice.
CREATE TABLE dismissed_announcements (
    announcement_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    PRIMARY KEY (announcement_id, user_id)
);
