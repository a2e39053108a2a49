DROP TABLE dismissed_announcements;
DROP TABLE announcements;
