DROP TABLE busiest_clients;
DROP TABLE server_hours;
